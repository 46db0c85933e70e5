"""What trusting Approach 2 costs: its bias on a table's own grid, as compute that buys nothing.

Approach 2 takes each isoFLOP profile for a parabola in ln N. A fitted surface says what it would
find without any noise on the very sizes and budgets of the table; the distance to the surface's own
optimum, carried to a target budget, is its bias there. Czech et al. 2026 (arXiv:2603.22339) trace
it to the width of the grid, grids off the optimum, and the asymmetry of the profiles (alpha
and beta differ); here each gets its share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import factorial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.approaches import Points, line, points_of, profiles, vertex
from scaling.fit.prediction import Array, Draws, Optimum
from scaling.fit.problem import Index

FACTORS = ("width", "centre", "asymmetry")
_NARROW = 0.01  # of a grid's width: narrow enough for a parabola to be exact
_HALVINGS = 60
_LEAST = 1e-6  # of the target budget: no allocation in use wastes more than all but this


class Surface(Protocol):
    """A predictor of losses and optima, such as a `Fit`."""

    @property
    def cost(self) -> Cost: ...
    def loss(self, N: ArrayLike, D: ArrayLike) -> Draws: ...
    def optimum(self, C: ArrayLike) -> Optimum: ...


@dataclass(frozen=True)
class Part:
    """One cause's share. shift: of ln N_opt at the target. flops: of the dead-weight compute."""

    shift: float
    flops: float


@dataclass(frozen=True)
class Bias:
    """Approach 2's bias at one budget, by one surface.

    C: the budget, FLOPs. N_opt: the surface's optimum there. N_approach_2: what Approach 2 finds
    from that surface's noise-free losses on the table's grid. flops: dead-weight compute of
    training N_approach_2 with C: the surface's optimum reaches its loss with C - flops. parts:
    Shapley shares of the shift ln(N_approach_2 / N_opt) and of `flops` due to grid width, grids off
    centre and asymmetric profiles ("width", "centre", "asymmetry"), and to budgets that are not
    quite equal ("budgets"); they add up. width: of each budget's grid, largest N over smallest;
    offset: its mean ln N less the optimum's. N_as_fitted, flops_as_fitted: Approach 2 on the
    measured losses instead, noise and all.
    """

    C: float
    N_opt: float
    N_approach_2: float
    flops: float
    parts: dict[str, Part]
    budgets: tuple[float, ...]
    width: tuple[float, ...]
    offset: tuple[float, ...]
    N_as_fitted: float
    flops_as_fitted: float

    @property
    def shift(self) -> float:
        return float(np.log(self.N_approach_2 / self.N_opt))

    @property
    def percent(self) -> float:
        """Dead-weight compute in per cent of the budget."""
        return 100 * self.flops / self.C

    def dollars(self, price_per_flop: float) -> float:
        return self.flops * price_per_flop

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "budgets": list(self.budgets),
            "width": list(self.width),
            "offset": list(self.offset),
            "shift": self.shift,
            "percent": self.percent,
            "percent_as_fitted": 100 * self.flops_as_fitted / self.C,
        }


def approach_2_bias(
    surface: Surface,
    table: pd.DataFrame,
    compute: Sequence[float],
    *,
    N: str = "N",
    where: str | None = None,
) -> list[Bias]:
    """Approach 2's bias at each budget of `compute` (FLOPs), by this surface on this table's grid.

    Raises InputError where the table has no three isoFLOP budgets, as Approach 2 does, or where the
    surface has no optimum between its budgets' sizes.
    """
    p = points_of(table, N, where)
    kept, _ = profiles(p)
    grid = _Grid(surface, p, kept)
    measured = grid.line_of([vertex(p.n[r], p.loss[r], _ones(r)).n[0] for r in kept])
    own = grid.line_of([vertex(p.n[r], grid.at(p.n[r], p.d[r]), _ones(r)).n[0] for r in kept])
    game = {chosen: grid.simulated(chosen) for chosen in _subsets(FACTORS)}
    return [_bias(grid, float(C), own, measured, game) for C in compute]


Line = Callable[[float], float]  # from ln C to ln N


class _Grid:
    """The table's isoFLOP budgets, as distances of ln N from the surface's optimum."""

    def __init__(self, surface: Surface, p: Points, kept: list[Index]) -> None:
        self.surface = surface
        ln_c = np.log(surface.cost.flops_per_token(np.exp(p.n))) + p.d
        self.c = np.array([ln_c[rows].mean() for rows in kept])
        best = np.log(np.asarray(surface.optimum(np.exp(self.c)).N.point, float))
        if not np.isfinite(best).all():
            raise InputError("the surface has no optimum at some of the table's budgets")
        self.best = best
        self.x = [p.n[rows] - centre for rows, centre in zip(kept, best, strict=True)]

    def at(self, n: Array, d: Array) -> Array:
        """The surface's loss at ln N, ln D."""
        return np.asarray(self.surface.loss(np.exp(n), np.exp(d)).point, float)

    def line_of(self, minima: Sequence[float]) -> Line:
        """The power law through ln N of the budgets' minima."""
        y = np.asarray(minima, float)[None]
        (slope,), (height,) = line(self.c, y, np.ones_like(y, dtype=bool))
        return lambda c: float(height + slope * (c - self.c.mean()))

    def simulated(self, chosen: frozenset[str]) -> Line:
        """Approach 2's line on a grid that has only the chosen faults.

        Without "width" each grid is shrunk about its middle; without "centre" it is its own mirror
        image about the optimum; without "asymmetry" the profile is the even part of the surface's
        about its minimum, which has the same minimum and curvature.
        """
        minima = []
        for c, best, x in zip(self.c, self.best, self.x, strict=True):
            middle = x.mean()
            spread = (x - middle) * (1.0 if "width" in chosen else _NARROW)
            mirrored = np.concatenate([spread, -spread])
            place = middle + spread if "centre" in chosen else mirrored
            loss = self._profile(c, best, place)
            if "asymmetry" not in chosen:
                loss = 0.5 * (loss + self._profile(c, best, -place))
            minima.append(best + vertex(place, loss, np.ones((1, len(place)))).n[0])
        return self.line_of(minima)

    def _profile(self, c: float, best: float, x: Array) -> Array:
        n = best + x
        return self.at(n, np.log(self.surface.cost.tokens(np.exp(c), np.exp(n))))


def _bias(
    grid: _Grid, C: float, own: Line, measured: Line, game: dict[frozenset[str], Line]
) -> Bias:
    c = np.log(C)
    best = float(np.log(grid.surface.optimum(np.array([C])).N.point[0]))
    ends = [own(c), measured(c), *(found(c) for found in game.values())]
    wasted = dead_weight(grid.surface, C, np.exp(ends))
    worth = {
        key: np.array([end - best, waste])
        for key, end, waste in zip(game, ends[2:], wasted[2:], strict=True)
    }
    shares = _shapley(FACTORS, worth)
    shares["budgets"] = np.array([own(c) - best, wasted[0]]) - worth[frozenset(FACTORS)]
    return Bias(
        C=C,
        N_opt=float(np.exp(best)),
        N_approach_2=float(np.exp(own(c))),
        flops=float(wasted[0]),
        parts={name: Part(*map(float, share)) for name, share in shares.items()},
        budgets=tuple(np.exp(grid.c).tolist()),
        width=tuple(float(np.exp(np.ptp(x))) for x in grid.x),
        offset=tuple(float(x.mean()) for x in grid.x),
        N_as_fitted=float(np.exp(measured(c))),
        flops_as_fitted=float(wasted[1]),
    )


def dead_weight(surface: Surface, C: float, N: ArrayLike) -> Array:
    """FLOPs that training N (each of [n]) with C wastes: what the optimum needs less for its
    loss."""
    N = np.asarray(N, float)
    reached = np.asarray(surface.loss(N, surface.cost.tokens(C, N)).point, float)
    low, high = np.full(N.shape, np.log(_LEAST)), np.zeros(N.shape)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        worse = np.asarray(surface.optimum(C * np.exp(middle)).loss.point, float) > reached
        low, high = np.where(worse, middle, low), np.where(worse, high, middle)
    return np.asarray(-C * np.expm1(high))


def _subsets(names: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(s) for size in range(len(names) + 1) for s in combinations(names, size)]


def _shapley(names: Sequence[str], worth: dict[frozenset[str], Array]) -> dict[str, Array]:
    """Each name's mean gain over all orders in which the names can join (Shapley 1953)."""
    count = len(names)
    shares = {}
    for name in names:
        share = np.zeros_like(worth[frozenset()])
        for others in _subsets([other for other in names if other != name]):
            weight = factorial(len(others)) * factorial(count - len(others) - 1) / factorial(count)
            share = share + weight * (worth[others | {name}] - worth[others])
        shares[name] = share
    return shares


def _ones(rows: Index) -> Array:
    return np.ones((1, len(rows)))
