"""Values that many runs share: the fixed D of an L(N) slice, the budgets of isoFLOP profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_TRIED = 2000
_ROUND = 1e-12  # of ln x: what is near by the last bit is near


@dataclass(frozen=True, eq=False)
class Level:
    """A shared value (the members' geometric mean), its rows, and how far these lie from it."""

    value: float
    rows: NDArray[np.intp]
    spread: float  # the largest |x / value - 1|


def levels(
    x: ArrayLike, along: ArrayLike, *, tolerance: float, least: int = 3, most: int = 5
) -> list[Level]:
    """Up to `most` values of x near which (within `tolerance`) lie `least` or more different
    values of `along`, ascending and apart.

    Where more qualify, an even choice of those found in order of x. A row belongs to one level. Of
    more than 2,000 different x an even choice is tried as levels.
    """
    x, along = np.asarray(x, float), np.asarray(along, float)
    near = _Near(x, along, float(np.log1p(tolerance)))
    found: list[Level] = []
    while near.count.max(initial=0) >= least:
        rows = near.rows_at(int(near.count.argmax()))
        value = float(np.exp(np.log(x[rows]).mean()))
        found.append(Level(value, rows, float(np.abs(x[rows] / value - 1).max())))
        near.without(value)
    found.sort(key=lambda level: level.value)
    pick = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[i] for i in pick]


class _Near:
    """For each row the number of different values of `along` among the rows near it, in windows of
    the rows in order of x, so that very many rows take no table of all pairs."""

    def __init__(self, x: Array, along: Array, reach: float) -> None:
        self.ln, self.reach = np.log(np.where(x > 0, x, np.nan)), reach
        usable = np.flatnonzero(np.isfinite(self.ln))
        self.order = usable[np.argsort(self.ln[usable], kind="stable")]
        self.sorted = self.ln[self.order]
        self.along = np.unique(along, return_inverse=True)[1]
        self.free = np.isfinite(self.ln)
        self.count = np.zeros(len(x), dtype=int)
        first = np.unique(self.ln[usable], return_index=True)[1]
        if len(first) > _TRIED:
            first = first[np.linspace(0, len(first) - 1, _TRIED).round().astype(int)]
        self.tried = usable[np.sort(first)]
        self._recount(self.tried)

    def rows_at(self, row: int) -> NDArray[np.intp]:
        """The free rows near one."""
        low, high = np.searchsorted(
            self.sorted, [self.ln[row] - self.reach - _ROUND, self.ln[row] + self.reach + _ROUND]
        )
        rows = self.order[low:high]
        return np.sort(rows[self.free[rows]])

    def without(self, value: float) -> None:
        """Take the rows within two reaches of a level out of all further ones."""
        away = np.abs(self.ln - np.log(value))
        self.free &= away > 2 * self.reach
        self.count[~self.free] = 0
        self._recount(self.tried[(away[self.tried] <= 3 * self.reach + _ROUND)])

    def _recount(self, rows: NDArray[np.intp]) -> None:
        for row in rows[self.free[rows]]:
            self.count[row] = len(np.unique(self.along[self.rows_at(int(row))]))
