"""All N that are as good as the best at a budget, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.forecast.decisions.at_budget import AtBudget
from scaling.forecast.frontier import FLAT, flat_region
from scaling.forecast.further.answers import Answer, answer_of
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

SURE = 0.90  # of the draws: what is called safe
_POINTS = 49
_MARGIN = 2.0  # half widths of the flat region that are looked at beyond where draws have N_opt


@dataclass(frozen=True)
class Flat:
    """The N whose loss at C is within `within` of the best.

    low, high: the region's ends, by the estimate and the central 90 % of draws. safe: the N that
    lie in the region in 90 % of the draws, None where there is none. surest: the N that lies in it
    in most draws, and in which share of them; None without draws.
    """

    C: float
    within: float
    low: Answer
    high: Answer
    safe: tuple[float, float] | None
    surest: tuple[float, float] | None

    def __str__(self) -> str:
        if self.surest is None:
            return f"N from {self.low} to {self.high} is within {self.within:.1%} of the best loss"
        ends = f"the ends of this region are {self.low} and {self.high} over draws"
        if self.safe is None:
            N, share = self.surest
            return (
                f"no N is within {self.within:.1%} of the best loss in {SURE:.0%} of the draws "
                f"(the surest, {N:.4g}, is in {share:.0%}); {ends}"
            )
        low, high = self.safe
        return (
            f"N from {low:.4g} to {high:.4g} is within {self.within:.1%} of the best loss in "
            f"{SURE:.0%} of the draws; {ends}"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "C": self.C,
            "within": self.within,
            "low": self.low.to_dict(),
            "high": self.high.to_dict(),
            "safe": None if self.safe is None else list(self.safe),
            "surest": None
            if self.surest is None
            else {"N": self.surest[0], "share": self.surest[1]},
        }


def flat_over_draws(
    predictor: Predictor, C: float, within: float = FLAT, *, at: AtBudget | None = None
) -> Flat:
    """The flat region at C by the estimate and in every draw.

    at: the budget as the draws see it, where it is at hand. An end that a draw puts beyond the
    range looked at (twice the region's half width beyond 98 % of the draws' N_opt) is told as such.
    """
    at = at or AtBudget(predictor, C)
    low, high = flat_region(predictor, C, within)
    if len(at.n_opt) < 2:
        return Flat(C, within, Answer(low, low, low), Answer(high, high, high), None, None)
    wide = _MARGIN * 0.5 * float(np.log(high / low))
    first, last = np.quantile(at.n_opt, [0.01, 0.99])
    n = np.linspace(
        min(first, float(np.log(low))) - wide, max(last, float(np.log(high))) + wide, _POINTS
    )
    above = at.above(np.exp(n))
    left, right = _ends(n, above, within)
    limits = float(np.exp(n[0])), float(np.exp(n[-1]))
    safe, surest = _safe(left, right, *limits)
    return Flat(
        C,
        within,
        answer_of(np.concatenate([[low], left]), *limits),
        answer_of(np.concatenate([[high], right]), *limits),
        safe,
        surest,
    )


def _ends(n: Array, above: Array, within: float) -> tuple[Array, Array]:
    """The N at either side at which each draw's loss passes the limit; 0 or infinite beyond n.

    The root of the excess is nearly straight in ln N, so that a line between two points will do.
    """
    root = np.sqrt(above) - np.sqrt(within)
    row, lowest = np.arange(len(n)), above.argmin(axis=1)[:, None]
    out = root > 0
    left = np.where(out & (row < lowest), row, -1).max(axis=1)
    right = np.where(out & (row > lowest), row, len(n)).min(axis=1)

    def between(i: NDArray[np.intp]) -> Array:
        i = np.clip(i, 0, len(n) - 2)
        draw = np.arange(len(root))
        here, there = root[draw, i], root[draw, i + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = here / (here - there)
        return np.asarray(np.exp(n[i] + (n[1] - n[0]) * part))

    return (
        np.where(left < 0, 0.0, between(left)),
        np.where(right >= len(n), np.inf, between(right - 1)),
    )


def _safe(
    left: Array, right: Array, least: float, most: float
) -> tuple[tuple[float, float] | None, tuple[float, float]]:
    """The N around the surest that lie between enough draws' ends, and the surest with its share.

    The share of draws whose region holds an N changes at their ends only.
    """
    N = np.unique(np.clip(np.concatenate([left, right]), least, most))
    begun = np.searchsorted(np.sort(left), N, side="right")
    ended = np.searchsorted(np.sort(right), N, side="left")
    share = (begun - ended) / len(left)
    top = int(share.argmax())
    surest = float(N[top]), float(share[top])
    if share[top] < SURE:
        return None, surest
    unsure = np.flatnonzero(share < SURE)
    before, after = unsure[unsure < top], unsure[unsure > top]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) - 1 if len(after) else len(N) - 1
    return (float(N[first]), float(N[last])), surest
