"""IsoFLOP budgets: which rows were trained at one compute, and the best size that they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

SAME_BUDGET = 0.10  # rows within 10 % of the next one's C share a budget
_WIDEST = 1.25  # largest over smallest C of a budget: a longer chain of neighbours is none
SIZES = 5  # distinct sizes of a profile: a quadratic has three coefficients, two check it
BUDGETS = 3  # profiles that a line through their minima needs: two fix it
# What tells a table that was laid out in budgets: the sizes of each, and the share of rows in them.
# Few sizes may share a C by chance, as in a grid of N and D; then nearly all rows must.
LAID_OUT = ((SIZES, 2 / 3), (3, 0.9))

_WINDOW = np.log(5.0)  # sizes within 5x of the best one tell where the minimum is
_CUBIC = 7  # points from which on the profile may be lopsided
_GRID = 401
_EDGE = 4  # a minimum within 1 % of the window's end is not bracketed
_KNOWN = 0.35  # standard error of ln N_opt above which a minimum is not known


def budget_numbers(c: Array) -> Index:
    """Number of each row's budget from ln C: sorted C is cut wherever it jumps by over 10 %."""
    order = np.argsort(c, kind="stable")
    jumps = np.diff(c[order], prepend=c[order[0]]) > np.log1p(SAME_BUDGET)
    budget = np.empty(len(c), dtype=np.intp)
    budget[order] = np.cumsum(jumps)
    return budget


@dataclass(frozen=True, eq=False)
class Budget:
    """One compute, the median of its rows' C, and the numbers of these rows in their table."""

    C: float
    rows: Index


def budgets_of(N: Array, C: Array, least: int = SIZES) -> list[Budget]:
    """The budgets of `least` or more distinct sizes, ascending, of C within a quarter."""
    number = budget_numbers(np.log(C))
    found = []
    for k in range(int(number.max()) + 1):
        rows = np.flatnonzero(number == k)
        sizes = len(np.unique(np.round(np.log(N[rows]), 6)))
        if sizes >= least and C[rows].max() <= _WIDEST * C[rows].min():
            found.append(Budget(float(np.median(C[rows])), rows))
    return found


def layout(N: Array, C: Array) -> list[Budget]:
    """The budgets that an isoFLOP table was laid out in; none for a table of free N and D."""
    for least, share in reversed(LAID_OUT):
        found = budgets_of(N, C, least)
        inside = sum(len(budget.rows) for budget in found)
        if len(found) >= BUDGETS and inside >= share * len(C):
            return found
    return []


@dataclass(frozen=True)
class Minimum:
    """Where the loss of a budget is lowest: ln N with its standard error, and ln loss there.

    known: the minimum lies among the sizes, and its standard error is below .35.
    """

    n: float
    n_se: float
    loss: float
    known: bool


def local_minimum(n: Array, loss: Array) -> Minimum:
    """The minimum of a polynomial of ln loss in n = ln N around the lowest point.

    Of the sizes within 5x of the lowest point's; a cubic from 7 of them on, else a parabola. The
    standard error is that of least squares, carried to the minimum (the delta method).
    """
    best = n[np.argmin(loss)]
    near = np.abs(n - best) <= _WINDOW
    x, y = n[near] - best, np.log(loss[near])
    unknown = Minimum(float(best), float("nan"), float(np.log(loss.min())), False)
    if len(np.unique(np.round(x, 6))) < SIZES or not (x.min() < 0 < x.max()):
        return unknown
    powers = np.arange(4 if len(x) >= _CUBIC else 3)
    design = x[:, None] ** powers
    q = np.linalg.lstsq(design, y, rcond=None)[0]
    grid = np.linspace(x.min(), x.max(), _GRID)
    values = grid[:, None] ** powers @ q
    i = int(values.argmin())
    at = grid[i]
    curvature = float((powers * (powers - 1) * q) @ at ** np.maximum(powers - 2, 0))
    if not _EDGE < i < _GRID - 1 - _EDGE or curvature <= 0:
        return unknown
    spare = max(len(x) - len(powers), 1)
    variance = float(((y - design @ q) ** 2).sum()) / spare
    slope = powers * at ** np.maximum(powers - 1, 0) / curvature
    n_se = float(np.sqrt(variance * slope @ np.linalg.pinv(design.T @ design) @ slope))
    return Minimum(float(best + at), n_se, float(values[i]), n_se < _KNOWN)
