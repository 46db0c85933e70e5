"""Values that many runs share: the fixed D of an L(N) slice, the budgets of isoFLOP profiles."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


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

    Where more qualify, an even choice of those found in order of x. A row belongs to one level.
    """
    x, along = np.asarray(x, float), np.asarray(along, float)
    ordered = np.argsort(x, kind="stable")
    ordered = ordered[np.isfinite(x[ordered]) & (x[ordered] > 0)]
    logs, width = np.log(x[ordered]), float(np.log1p(tolerance))
    codes = np.unique(along[ordered], return_inverse=True)[1]
    first = np.searchsorted(logs, logs - width)
    last = np.searchsorted(logs, logs + width, side="right")
    # the fullest neighbourhood first: counts only fall as rows are taken, so an old one is a bound
    waiting = [
        (-count, int(row), place)
        for place, (count, row) in enumerate(
            zip(_distinct(codes, first, last), ordered, strict=True)
        )
    ]
    heapify(waiting)
    free = np.full(len(logs), True)
    found: list[Level] = []
    while waiting:
        bound, row, place = heappop(waiting)
        if not free[place]:
            continue
        near = first[place] + np.flatnonzero(free[first[place] : last[place]])
        count = len(np.unique(codes[near]))
        if count < least:
            continue
        if count < -bound:
            heappush(waiting, (-count, row, place))
            continue
        rows = np.sort(ordered[near])
        value = float(np.exp(np.log(x[rows]).mean()))
        found.append(Level(value, rows, float(np.abs(x[rows] / value - 1).max())))
        free &= np.abs(logs - np.log(value)) > 2 * width
    found.sort(key=lambda level: level.value)
    pick = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[i] for i in pick]


def _distinct(
    codes: NDArray[np.intp], first: NDArray[np.intp], last: NDArray[np.intp]
) -> list[int]:
    """How many different codes lie in each window; both its ends only ever move up."""
    inside: dict[int, int] = {}
    counts, low, high = [], 0, 0
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        for code in codes[high:end].tolist():
            inside[code] = inside.get(code, 0) + 1
        for code in codes[low:start].tolist():
            inside[code] -= 1
            if not inside[code]:
                del inside[code]
        low, high = start, end
        counts.append(len(inside))
    return counts
