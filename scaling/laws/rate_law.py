"""Learning rates and batches by law: a saved fit of sweeps, or a published law, at a run's size.

Which law a number came from, and how far beyond that law's own data it was used, is told beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from scaling import laws
from scaling.errors import InputError
from scaling.laws.hyperparameters import SAVED
from scaling.laws.law import Law

Response = Literal["learning_rate", "batch_tokens"]

_WORDS = {"learning_rate": "learning rates", "batch_tokens": "batches"}
# What published laws of this kind are of: AdamW on tokens, one rate for all parameters.
_PUBLISHED = {"transfer": "none", "D_kind": "tokens"}
_UNSTATED = "unstated"


@dataclass(frozen=True, eq=False)
class RateLaw:
    """A law with its parameters. ranges: of each variable, in the data behind it. n_column: what N
    counts. transfer, d_kind: how the runs behind it were trained, "unstated" where nobody says."""

    source: str
    law: Law
    params: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    n_column: str
    transfer: str
    d_kind: str

    def at(self, facts: Mapping[str, Any]) -> tuple[float, str]:
        """The number at a run's `facts` (N, N_total, D, C, B, ...), and what to tell.

        Raises InputError where the run is trained in another way than the law's own.
        """
        for name, own in (("transfer", self.transfer), ("D_kind", self.d_kind)):
            if own not in (_UNSTATED, facts[name]):
                raise InputError(
                    f"law {self.source} comes from runs of {name} = {own}, and this one has "
                    f"{facts[name]}: a rate of the one says nothing of the other"
                )
        x = {v: float(facts[self.n_column if v == "N" else v]) for v in self.law.variables}
        value = float(self.law.predict(**x, **self.params))
        name = "learning_rate" if self.law.response == "learning_rate" else "batch"
        return value, "; ".join([f"{name} {value:.4g} by {self.source}", *self._beyond(x)])

    def _beyond(self, x: Mapping[str, float]) -> list[str]:
        """How far each variable lies outside the law's data."""
        told = []
        for name, value in x.items():
            if name not in self.ranges:
                told.append(f"the range of {name} in its data is not stated")
                continue
            low, high = self.ranges[name]
            if value < low * (1 - 1e-9):
                told.append(f"{name} is {low / value:.3g}x below its data")
            elif value > high * (1 + 1e-9):
                told.append(f"{name} is {value / high:.3g}x above its data")
        return told


@cache
def load(source: str, response: Response, asked: str) -> RateLaw:
    """The law of `response` in a file that `scaling rates --save` (or `scaling fit --save`) wrote,
    or by the name of published parameters. asked: the key or option that names the source.

    Raises InputError, which begins with `asked`, for a missing or foreign file, an unknown name
    (with the nearest) and a law of something else.
    """
    where = f"{asked} = {source!r}"
    try:
        if Path(source).suffix == ".json":
            found = _saved(Path(source), response)
        else:
            found = _published(source)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if found.law.response != response:
        raise InputError(
            f"{where}: law {found.law.name} is of {found.law.response}, not of {_WORDS[response]}"
        )
    unknown = sorted(set(found.law.variables) - {"N", "D", "C", "B"})
    if unknown:
        raise InputError(
            f"{where}: law {found.law.name} needs {', '.join(unknown)}, which a planned run lacks; "
            "valid are laws of N, D, C and the batch B"
        )
    return found


def _published(name: str) -> RateLaw:
    law, item = laws.find(name)
    if item is None:
        known = ", ".join(p.name for p in laws.published.values() if p.law == law.name)
        raise InputError(
            f"{name} is a law without parameters; give a fit of it (.json), or parameters "
            f"published for it: {known or 'there are none'}"
        )
    return RateLaw(name, law, item.params, item.ranges, "N", _PUBLISHED["transfer"],
                   _PUBLISHED["D_kind"])  # fmt: skip


def _saved(path: Path, response: Response) -> RateLaw:
    """The first law of that response among a file's; a file of one fit has no other."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file; `scaling rates TABLE --save FILE` writes one") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as JSON ({error})") from None
    several = isinstance(data, dict) and data.get("format") == SAVED
    fits = data["fits"] if several else [data]
    try:
        known = {fit["law"]: laws.get(fit["law"]) for fit in fits}
        fit = next((f for f in fits if known[f["law"]].response == response), None)
        if fit is None:
            told = ", ".join(f"{law.name} (of {law.response})" for law in known.values())
            raise InputError(f"no law of {_WORDS[response]} in it; it has {told}")
        return RateLaw(
            f"{fit['law']} ({path})",
            known[fit["law"]],
            dict(fit["params"]),
            {
                v: (min(fit["points"][v]), max(fit["points"][v]))
                for v in known[fit["law"]].variables
            },
            fit["n_column"],
            data["transfer"] if several else _UNSTATED,
            fit["conventions"].get("D_kind", _UNSTATED),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not a saved fit: {type(error).__name__} {error}; `scaling rates TABLE --save FILE` "
            "writes one"
        ) from None
