"""Which rows a page shows of very many: an even choice by a stated rule; fits use all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling.report.pooled import Pooled

Array = NDArray[np.float64]

SHOWN = 1000  # rows of a table, and runs of a figure, at most
_SIZES, _OF_SIZE = 20, 50
_REPEATED = 5  # runs of a size, on average: then sizes are kept whole


def even(compute: Array, most: int = SHOWN) -> list[int]:
    """Indices of at most so many rows, even in order of compute, in the order given; the least and
    the largest are among them."""
    if len(compute) <= most:
        return list(range(len(compute)))
    order = np.argsort(compute, kind="stable")
    pick = np.linspace(0, len(order) - 1, most).round().astype(int)
    return sorted(order[pick].tolist())


def drawn(fit: Pooled) -> tuple[Pooled, str]:
    """The fit as figures are to draw it, and the rule in words where that is not with every run.

    Of more than 1,000 runs: of a ladder 20 sizes, and of each 50 runs even in D; where sizes hardly
    repeat 1,000 runs even in compute.
    """
    points = fit.points
    rows = len(points["loss"])
    if rows <= SHOWN or not {"N", "D"} <= set(points):
        return fit, ""
    N, D = points["N"], points["D"]
    sizes = np.unique(N)
    if len(sizes) * _REPEATED > rows:
        chosen, rule = even(N * D), "even in order of compute"
    else:
        kept = sizes[even(sizes, _SIZES)]
        own = [np.flatnonzero(size == N) for size in kept]
        chosen = sorted(int(i) for rows_of in own for i in rows_of[even(D[rows_of], _OF_SIZE)])
        rule = f"{len(kept)} of {len(sizes):,} sizes, and of each {_OF_SIZE} at most, even in D"
    shown: Mapping[str, Array] = {name: values[chosen] for name, values in points.items()}
    return replace(fit, shown=shown), f"{len(chosen):,} of {rows:,} runs are drawn: {rule}."
