"""Values that many runs share: the fixed D of an L(N) slice, the budgets of isoFLOP profiles."""

from __future__ import annotations

from dataclasses import dataclass

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
    free = np.isfinite(x) & (x > 0)
    found: list[Level] = []
    while free.any():
        near = (
            (np.abs(np.log(x[:, None] / x[None, :])) <= np.log1p(tolerance)) & free & free[:, None]
        )
        counts = np.array([len(np.unique(along[row])) for row in near])
        rows = np.flatnonzero(near[int(counts.argmax())])
        if counts.max() < least:
            break
        value = float(np.exp(np.log(x[rows]).mean()))
        found.append(Level(value, rows, float(np.abs(x[rows] / value - 1).max())))
        free &= np.abs(np.log(x / value)) > 2 * np.log1p(tolerance)
    found.sort(key=lambda level: level.value)
    pick = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[i] for i in pick]
