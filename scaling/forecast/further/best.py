"""The best value of a law's further variable at a budget, together with the best N for it.

Sparsity, granularity, bits: what the law can trade against N and D at one cost. Each draw has its
own best value. Where the loss still falls at an end of the range that was looked at, the answer is
that end, and says so: the law, not the data, would go further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.prediction import optimum_of
from scaling.fit.result import Fit
from scaling.forecast.further.counting import count
from scaling.forecast.further.given import Given, named
from scaling.forecast.further.inference import spread_of
from scaling.forecast.further.reach import ranges_of
from scaling.forecast.further.search import lowest
from scaling.forecast.interval import Interval
from scaling.forecast.published import PublishedLaw
from scaling.laws.symbols import range_of

Array = NDArray[np.float64]

_STEPS = 25  # values in a range, and again between the neighbours of the best of them
_FREE = ("D_unique", "U")  # costs nothing: more is never worse


@dataclass(frozen=True, eq=False)
class Chosen:
    """The best value of a variable at C FLOPs, and the predictor with it held.

    value: with the spread of the draws' own best. low, high: the range looked at. at_end: whether
    the best is an end of it. loss: at the best N and D for the value.
    """

    name: str
    C: float
    value: Interval
    low: float
    high: float
    at_end: bool
    loss: Interval
    given: Given

    def __str__(self) -> str:
        where = f"from {self.low:.4g} to {self.high:.4g} were looked at"
        end = ", and the loss still falls at this end" if self.at_end else ""
        return f"best {self.name} at C = {self.C:.4g}: {self.value} ({where}{end})"


def choose(
    base: Fit | PublishedLaw,
    name: str,
    compute: float,
    *,
    held: Mapping[str, float] | None = None,
    within: tuple[float, float] | None = None,
) -> Chosen:
    """The best `name` at `compute` FLOPs, the other further variables held.

    name: one of the law, or P for all bits of training. within: the range to look at; by default
    that of the data behind the law, else the usual one. Raises InputError for a variable that the
    law does not have, that costs nothing, or a range that is none.
    """
    if not (np.isfinite(compute) and compute > 0):
        raise InputError(f"compute = {compute:g}: must be a finite number above 0")
    if name in _FREE:
        raise InputError(f"{name}=best: it costs nothing, so that more is never worse; give it")
    own = next(iter(named(base.law, {name: 1.0})))  # raises for a name the law does not have
    low, high = within or ranges_of(base)[0].get(own) or range_of(base.law, own)
    if not low < high:
        raise InputError(f"{name}=best:{low:g}:{high:g}: give a range, the lower end first")
    search = _Search(base, name, compute, dict(held or {}), low)
    for value in (low, high):
        Given(base, search.held | {name: value})  # raises where an end is not valid
    x = np.linspace(search.scale(low), search.scale(high), _STEPS)
    losses = search.losses(x)
    place, best = lowest(x, losses)
    at = int(np.argmin(losses[0]))
    at_end = at in (0, len(x) - 1)
    point = float(x[at])
    if not at_end:
        fine = np.linspace(x[at - 1], x[at + 1], _STEPS)
        point = float(lowest(fine, search.losses(fine, point=True))[0][0])
    chosen = float(search.value(np.array(point)))
    found = search.value(place[1:])
    given = Given(base, search.held | {name: chosen})
    return Chosen(
        name,
        compute,
        spread_of(chosen, found),
        low,
        high,
        at_end,
        spread_of(float(given.optimum(compute).loss.point), best[1:]),
        given,
    )


class _Search:
    """Least losses at a budget over values of a variable, on the scale on which it is even."""

    def __init__(
        self,
        base: Fit | PublishedLaw,
        name: str,
        compute: float,
        held: dict[str, float],
        low: float,
    ) -> None:
        self.base, self.name, self.compute, self.held = base, name, compute, held
        # Of a share that is idle the rest counts, by its ratios; bits, and what may be 0, are even.
        even = low <= 0 or name.split("_")[0] == "P"
        self.kind = "rest" if name == "S" else "even" if even else "ratio"

    def scale(self, value: float) -> float:
        if self.kind == "rest":
            return float(-np.log1p(-value))
        return value if self.kind == "even" else float(np.log(value))

    def value(self, x: Array) -> Array:
        if self.kind == "rest":
            return np.asarray(-np.expm1(-x))
        return x if self.kind == "even" else np.asarray(np.exp(x))

    def losses(self, x: Array, point: bool = False) -> Array:
        """[1 + draws, values], the estimate first; point: of it alone."""
        law, base = self.base.law, self.base
        draws = {k: v[:0] if point else v for k, v in base.params_draws().items()}
        rows = []
        for value in self.value(x):
            held = named(law, self.held | {self.name: float(value)})
            cost = count(law, base.cost, held).cost
            best = optimum_of(law, base.params, draws, self.compute, cost, held).loss
            rows.append(np.append(best.point, best.draws))
        return np.stack(rows, axis=-1)
