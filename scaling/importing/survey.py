"""What the first runs of a source hold: each field by its name, with the range of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from scaling.importers.contract import LoggedRun

RUNS = 64
VALUES = 4_000_000  # that are held while columns are guessed, at most


@dataclass(frozen=True)
class Field:
    """A name that runs have a value under. where: history, config or final, of the first run that
    has it; runs: how many of those looked at do; low, high: of its numbers, NaN where it has none;
    varies: within a run; text: it holds words."""

    name: str
    where: str
    runs: int
    low: float
    high: float
    varies: bool
    text: bool


def first_runs(
    runs: Iterator[LoggedRun], most: int = RUNS
) -> tuple[list[LoggedRun], Iterator[LoggedRun]]:
    """Some runs to look at, and all of them, these included."""
    seen: list[LoggedRun] = []
    held = 0
    for run in runs:
        seen.append(run)
        held += sum(len(values) for values in run.history.values())
        if len(seen) == most or held > VALUES:
            break
    return seen, chain(seen, runs)


def survey(runs: Sequence[LoggedRun]) -> dict[str, Field]:
    """The fields of these runs, in the order in which they come."""
    found: dict[str, Field] = {}
    for run in runs:
        for where in ("history", "config", "final"):
            for name, value in getattr(run, where).items():
                if name in found and found[name].where != where:
                    continue
                found[name] = _with(found.get(name), name, where, value)
    return found


def _with(before: Field | None, name: str, where: str, value: Any) -> Field:
    numbers = np.atleast_1d(_numbers(value))
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if len(finite) else (np.nan, np.nan)
    text = isinstance(value, str) and not len(finite)
    varies = len(finite) > 1 and low != high
    if before is None:
        return Field(name, where, 1, float(low), float(high), varies, text)
    return Field(
        name,
        where,
        before.runs + 1,
        float(np.nanmin([before.low, low])) if not np.isnan([before.low, low]).all() else np.nan,
        float(np.nanmax([before.high, high]))
        if not np.isnan([before.high, high]).all()
        else np.nan,
        before.varies or varies,
        before.text or text,
    )


def _numbers(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else number(value)


def number(value: Any) -> float:
    """A setting as a number, whatever it was stored as ("3e-4" is often text); NaN for a word."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


class Scope(Mapping[str, Any]):
    """The values of a run by name, as expressions see them. settings: where a name stands in
    several places, its configuration comes first, and not its log."""

    def __init__(self, run: LoggedRun, *, settings: bool) -> None:
        places = (run.history, run.final, run.config)
        self._places = places[::-1] if settings else places

    def __getitem__(self, name: str) -> Any:
        for place in self._places:
            if name in place:
                value = place[name]
                if isinstance(value, np.ndarray):
                    return value.astype(float, copy=False)
                return value if np.isnan(number(value)) else number(value)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for place in self._places for name in place))

    def __len__(self) -> int:
        return len(list(iter(self)))
