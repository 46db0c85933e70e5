"""A law of more variables than N and D as a predictor of these two: the others are held.

`Given(fit, {"D_unique": 1e10})` answers whatever a fit of N and D does. What a token costs may
depend on what is held (`counting.py` says how, by the law).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from scaling import laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import Draws, Optimum, optimum_of
from scaling.fit.result import Fit
from scaling.forecast.further.counting import Count, count
from scaling.forecast.further.reach import outside, ranges_of
from scaling.forecast.published import PublishedLaw
from scaling.laws.law import Law
from scaling.laws.symbols import meaning_of

BITS = ("P_w", "P_a", "P_kv")  # what P stands for, in laws of precision
_MANY_BITS = 64.0
_PROBE = 1e9, 2e10  # N and D where a law must have a loss at all


@dataclass(frozen=True, eq=False)
class Given:
    """A fit or published law of N, D and more, with the others held.

    held: their values by name; P sets all bits of training at once. Raises InputError for a name
    that the law does not have, one that is missing, and a value at which the law has no loss.
    """

    base: Fit | PublishedLaw
    held: Mapping[str, float]

    def __post_init__(self) -> None:
        held = named(self.law, self.held)
        object.__setattr__(self, "held", held)
        missing = [name for name in further(self.law) if name not in held]
        if missing:
            raise InputError(
                f"law {self.law.name} needs {', '.join(_with_meaning(self.law, missing))}: give "
                + " and ".join(f"--with {name}=VALUE" for name in missing)
            )
        for name, value in held.items():
            least = 0.0 if name in self.law.zero else np.nextafter(0, 1)
            most = np.nextafter(1, 0) if name == "S" else np.finfo(float).max
            if not least <= value <= most:
                valid = "at least 0 and below 1" if name == "S" else "a finite number above 0"
                raise InputError(f"{name} = {value:g}: must be {valid}")
        bits = {name: _MANY_BITS for name in BITS if name in held}
        for name, value in held.items():  # each by itself: two parts below 0 would look like one
            with np.errstate(all="ignore"):
                x = held | (bits | {name: value} if name in bits else {})
                loss = float(self.base.loss(*_PROBE, held=x).point)
            if not np.isfinite(loss):
                raise InputError(f"{name} = {value:g}: law {self.law.name} has no loss there")

    @property
    def law(self) -> Law:
        return self.base.law

    @cached_property
    def count(self) -> Count:
        """How a token's FLOPs are counted at the values held."""
        return count(self.law, self.base.cost, self.held)

    @property
    def cost(self) -> Cost:
        return self.count.cost

    @property
    def c_min(self) -> float:
        return self.base.c_min

    @property
    def c_max(self) -> float:
        return self.base.c_max

    @property
    def n_column(self) -> str:
        return self.base.n_column

    @property
    def conventions(self) -> Mapping[str, str]:
        return getattr(self.base, "conventions", {})

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss."""
        return self.base.loss(N, D, noise=noise, held=self.held)

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...], at the values held."""
        base = self.base
        return optimum_of(self.law, base.params, base.params_draws(), C, self.cost, self.held)

    def reach(self, N: float | None = None, D: float | None = None) -> list[str]:
        """Which of N, D and the values held lie outside the ranges behind the law, and of which
        these are not known."""
        asked = {"N": N, "D": D, **self.held}
        known, behind = ranges_of(self.base)
        told = outside(known, asked, behind)
        unknown = [name for name, value in asked.items() if value is not None and name not in known]
        if unknown:
            told.append(f"the range of {', '.join(unknown)} behind {_name(self.base)} is not known")
        return told

    def lines(self, N: float, D: float) -> list[str]:
        """What must be said of a run of N on D: epochs, the count of C, and what is outside."""
        told = [str(self)]
        if "D_unique" in self.held:
            unique = self.held["D_unique"]
            told.append(
                f"epochs: {D / unique:.4g}, D = {D:.4g} over D_unique = {unique:.4g}"
                if unique < D
                else f"no data are repeated: D = {D:.4g} of D_unique = {unique:.4g}"
            )
        return [*told, *filter(None, [self.count.words]), *self.reach(N, D)]

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {value:.4g}" for name, value in self.held.items())
        return f"law {self.law.name} with {values} held"


def further(law: Law) -> list[str]:
    """The law's variables beyond N and D."""
    return [name for name in law.variables if name not in ("N", "D")]


def named(law: Law, held: Mapping[str, float]) -> dict[str, float]:
    """The values by the law's own names: P stands for all bits of training. Raises InputError for
    others, saying which laws have them."""
    found: dict[str, float] = {}
    for name, value in held.items():
        if name == "P" and "P" not in law.variables and set(BITS) <= set(law.variables):
            found |= dict.fromkeys(BITS, float(value))
        elif name in further(law):
            found[name] = float(value)
        else:
            raise InputError(f"law {law.name} has no {name}: {_valid(law)}{_others(name)}")
    return found


def _name(base: Fit | PublishedLaw) -> str:
    return base.law.name if isinstance(base, Fit) else base.published.name


def _valid(law: Law) -> str:
    more = further(law)
    return f"it is of {', '.join(law.variables)}" + (
        "" if more else ", and nothing further can be held"
    )


def _others(name: str) -> str:
    able = [
        law.name
        for law in map(laws.get, laws.names())
        if {"N", "D"} <= set(law.variables) and law.response == "loss" and name in further(law)
    ]
    return f"; laws with {name}: {', '.join(able)}" if able else ""


def _with_meaning(law: Law, names: list[str]) -> list[str]:
    found = ((name, meaning_of(law, name)) for name in names)
    return [f"{name} ({words})" if words else name for name, words in found]
