"""What a token costs to train: the link between N, D and C.

Conventions, and never one called the other: `6ND` is the approximation 6 N FLOPs a token
(Kaplan 2020, section 2.1), `counted` is what the models of a table really cost, read from its rows,
`stated` what a law of further variables (sparsity, precision) says that a token costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]

# Of ln FLOPs per token over ln N: scatter of a size where two sizes cannot tell, and the least that
# is believed; how far a curve bends in one e-fold; sd of its slope around 1 at an end. Widths and
# vocabularies make slopes of .87 (non-embedding N of small models) to 1.1.
_SCATTER, _EXACT = 0.01, 1e-4
_BEND, _SLOPE = 0.1, 0.1
_OFF_6ND = 0.01  # a C further from 6ND than that is a count of its own


def c_6nd(N: ArrayLike, D: ArrayLike) -> Array:
    """The 6ND approximation of training FLOPs for N parameters on D tokens."""
    return np.asarray(6.0 * np.asarray(N, dtype=float) * np.asarray(D, dtype=float))


@dataclass(frozen=True)
class Cost:
    """Training FLOPs per token as a function of N, in the convention `kind`.

    `counted` and `stated` costs hold knots (ln N, ln FLOPs per token) that a monotone cubic joins;
    beyond the outermost sizes a straight line continues, with the slope of the sizes near that end.
    `N` is whichever count the table was fitted on.
    """

    kind: Literal["6ND", "counted", "stated"] = "6ND"
    ln_n: tuple[float, ...] = ()
    ln_flops: tuple[float, ...] = ()

    def flops_per_token(self, N: ArrayLike) -> Array:
        """FLOPs to train on one token, same shape as N."""
        N = np.asarray(N, dtype=float)
        if self.kind == "6ND":
            return np.asarray(6.0 * N)
        return np.asarray(np.exp(self._interpolate(np.log(N))[0]))

    def elasticity(self, N: ArrayLike) -> Array:
        """d ln(FLOPs per token) / d ln N: 1 for 6ND."""
        N = np.asarray(N, dtype=float)
        return np.ones_like(N) if self.kind == "6ND" else self._interpolate(np.log(N))[1]

    def at(self, N: ArrayLike) -> tuple[Array, Array]:
        """FLOPs per token and their elasticity at once, each of N's shape."""
        N = np.asarray(N, dtype=float)
        if self.kind == "6ND":
            return 6.0 * N, np.ones_like(N)
        ln_flops, slope = self._interpolate(np.log(N))
        return np.exp(ln_flops), slope

    def params(self, flops_per_token: ArrayLike) -> Array:
        """The N whose token costs that much: the inverse of `flops_per_token`."""
        target = np.log(np.asarray(flops_per_token, dtype=float))
        if self.kind == "6ND":
            return np.asarray(np.exp(target) / 6.0)
        x = target - np.log(6.0)
        for _ in range(60):  # Newton on a monotone, nearly straight curve
            value, slope = self._interpolate(x)
            x = x - (value - target) / np.maximum(slope, 0.1)
        return np.asarray(np.exp(x))

    def tokens(self, C: ArrayLike, N: ArrayLike) -> Array:
        """The D that spends C FLOPs on N parameters."""
        return np.asarray(np.asarray(C, dtype=float) / self.flops_per_token(N))

    def _interpolate(self, x: Array) -> tuple[Array, Array]:
        """ln FLOPs per token and its slope at x = ln N, straight beyond the knots."""
        first, last = self.ln_n[0], self.ln_n[-1]
        if len(self.ln_n) == 1:  # one size says nothing of the slope: proportional, as 6ND
            return self.ln_flops[0] + (x - first), np.ones_like(x)
        curve = _curve(self.ln_n, self.ln_flops)
        inside = np.clip(x, first, last)
        below, above = _end_slopes(self.ln_n, self.ln_flops)
        slope = np.asarray(curve(inside, 1), dtype=float)
        slope = np.where(x < first, below, np.where(x > last, above, slope))
        return np.asarray(curve(inside), dtype=float) + slope * (x - inside), slope

    def pieces(self) -> dict[str, Any]:
        """The same curve for whoever computes it elsewhere: knots of ln N; of each piece between
        them the coefficients of the cubic in ln N less its first knot, highest power first; and the
        slopes below and above. One knot has no piece, and 6ND has neither."""
        found: dict[str, Any] = {"kind": self.kind, "ln_n": list(self.ln_n)}
        if len(self.ln_n) == 1:
            return found | {"ln_flops": self.ln_flops[0]}
        if self.ln_n:
            cubics = _curve(self.ln_n, self.ln_flops).c.T
            slopes = _end_slopes(self.ln_n, self.ln_flops)
            found |= {"cubics": cubics.tolist(), "slopes": list(slopes)}
        return found

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "ln_n": list(self.ln_n), "ln_flops": list(self.ln_flops)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Cost:
        return cls(data["kind"], tuple(data["ln_n"]), tuple(data["ln_flops"]))


@lru_cache(maxsize=64)
def _curve(ln_n: tuple[float, ...], ln_flops: tuple[float, ...]) -> PchipInterpolator:
    from scipy.interpolate import PchipInterpolator  # late: most callers want only 6ND

    return PchipInterpolator(np.array(ln_n), np.array(ln_flops))


@lru_cache(maxsize=64)
def _end_slopes(ln_n: tuple[float, ...], ln_flops: tuple[float, ...]) -> tuple[float, float]:
    """Slopes with which a cost curve goes on below its first and above its last knot.

    The last two knots alone would not do: where C is rounded or two shapes have nearly one N their
    slope may be anything. A line through all knots, each weighted by its scatter (how far knots lie
    off their neighbours) and by how far the curve may have bent on the way to the end; the slope
    has a normal prior around that of 6ND.
    """
    x = np.array(ln_n)
    over = np.array(ln_flops) - x  # ln of the cost over 6 N, up to a constant
    scatter = _SCATTER
    if len(x) > 2:
        part = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
        off = over[1:-1] - (1 - part) * over[:-2] - part * over[2:]
        scatter = float(np.sqrt((off**2 / (1 + part**2 + (1 - part) ** 2)).mean()))
    slopes = []
    for end in (x[0], x[-1]):
        weight = 1 / (max(scatter, _EXACT) ** 2 + (_BEND * (x - end) ** 2) ** 2)
        z = x - np.average(x, weights=weight)
        slopes.append(1 + float((weight * z * over).sum() / ((weight * z**2).sum() + _SLOPE**-2)))
    return slopes[0], slopes[1]


def counted(N: ArrayLike, D: ArrayLike, C: ArrayLike) -> Cost:
    """The cost curve of a table whose C was counted from the models.

    N, D, C: arrays of one length. Sizes that appear more than once are averaged in the log; where
    cost per token falls with size (two shapes of nearly one N) neighbours are pooled, so that
    the curve never falls.
    """
    from scipy.optimize import isotonic_regression  # late: most callers want only 6ND

    N, D, C = (np.asarray(v, dtype=float) for v in (N, D, C))
    sizes, where, rows = np.unique(N, return_inverse=True, return_counts=True)
    per_token = np.bincount(where, np.log(C / D)) / rows
    rising = isotonic_regression(per_token, weights=rows.astype(float)).x
    return Cost("counted", tuple(np.log(sizes).tolist()), tuple(rising.tolist()))


def cost_of(N: ArrayLike, D: ArrayLike, C: ArrayLike) -> Cost:
    """What a token costs in a table, read from its rows: N, D, C arrays of one length.

    6ND where C is that to 1 %. Else the curve that `counted` draws where C / 6ND is a function of
    N; where it only jitters, as budgets do that were not met exactly, a constant times 6ND.
    """
    n = np.log(np.asarray(N, dtype=float))
    ratio = np.log(np.asarray(C, dtype=float) / c_6nd(N, D))
    if np.sqrt((ratio**2).mean()) < _OFF_6ND:
        return Cost()
    x = n - n.mean()
    trend = np.polyfit(x, ratio, min(2, len(np.unique(n)) - 1))
    if (ratio - np.polyval(trend, x)).var() < 0.5 * ratio.var():
        return counted(N, D, C)
    if abs(ratio.mean()) < _OFF_6ND:
        return Cost()
    middle = float(n.mean())
    return Cost("counted", (middle,), (middle + float(np.log(6) + ratio.mean()),))
