"""Learning rate, batch and steps of a run, by laws of sweeps: published ones, or one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scaling import laws
from scaling.errors import InputError
from scaling.laws.rate_law import RateLaw, Response, load
from scaling.units import UNSTATED

# Step Law (arXiv:2503.04715) asks for N and D, DeepSeek's (arXiv:2401.02954) for C alone.
SOURCES = ("steplaw2025", "deepseek2024")
_OPTION = "--rates"
_SUFFIX: dict[Response, str] = {"learning_rate": "_lr", "batch_tokens": "_batch"}


@dataclass(frozen=True)
class Rates:
    """What one source says of a run: peak learning rate, units of D in a batch, and steps; None of
    what it says nothing. told: why not, and how far beyond its data it is used."""

    source: str
    learning_rate: float | None
    batch: float | None
    steps: float | None
    told: tuple[str, ...]

    def __str__(self) -> str:
        parts = [] if self.learning_rate is None else [f"learning rate {self.learning_rate:.3g}"]
        if self.batch is not None and self.steps is not None:
            parts.append(f"batch {self.batch:,.0f}, {self.steps:,.0f} steps")
        told = f" ({'; '.join(self.told)})" if self.told else ""
        return f"{', '.join(parts) or 'nothing'} by {self.source}{told}"


def rates_of(
    sources: Sequence[str], *, N: float, D: float, C: float, n_column: str, d_kind: str
) -> tuple[Rates, ...]:
    """What each source says of a run of N parameters (counted as `n_column`), D and C.

    Raises InputError for a source that is neither published nor a file of such laws.
    """
    run = {"N": N, "N_total": N, "N_active": N, "D": D, "C": C}
    return tuple(_of(source, run, n_column, d_kind) for source in sources)


def _of(source: str, run: dict[str, float], n_column: str, d_kind: str) -> Rates:
    told: list[str] = []
    batch_law, rate_law = _laws(source)
    facts: dict[str, Any] = dict(run)
    try:
        batch = _value(batch_law, facts, n_column, d_kind, told)
        batch = None if batch is None else min(max(batch, 1.0), run["D"])
        rate = _value(rate_law, facts | ({"B": batch} if batch else {}), n_column, d_kind, told)
    except InputError as error:  # of images, say: that is an answer, too
        return Rates(source, None, None, None, (str(error),))
    steps = None if batch is None else max(round(run["D"] / batch), 1)
    return Rates(source, rate, batch, steps, tuple(dict.fromkeys(told)))


def _value(
    law: RateLaw | None, facts: dict[str, Any], n_column: str, d_kind: str, told: list[str]
) -> float | None:
    if law is None:
        return None
    if "B" in law.law.variables and "B" not in facts:
        told.append(f"{law.source} needs a batch")
        return None
    if "N" in law.law.variables and law.n_column != n_column:
        told.append(f"its N is the column {law.n_column}, here {n_column}")
    kind = law.d_kind if d_kind == UNSTATED else d_kind
    value, words = law.at(facts | {"transfer": law.transfer, "D_kind": kind})
    told.extend(words.split("; ")[1:])
    if law.transfer not in ("none", UNSTATED):
        told.append(f"for transfer = {law.transfer}")
    return value


@cache
def _laws(source: str) -> tuple[RateLaw | None, RateLaw | None]:
    """The laws of batch and rate of a source, at least one."""
    found = (_law(source, "batch_tokens"), _law(source, "learning_rate"))
    if found == (None, None):
        load(source, "learning_rate", _OPTION)  # raises: says what is wrong with it
    return found


def _law(source: str, response: Response) -> RateLaw | None:
    name = f"{source}{_SUFFIX[response]}"
    if Path(source).suffix != ".json" and name in laws.published:
        return load(name, response, _OPTION)
    try:
        return load(source, response, _OPTION)
    except InputError:
        return None  # of the other response only
