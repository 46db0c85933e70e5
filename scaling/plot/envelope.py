"""Loss against compute: a line a size, and the lower envelope that no size beats."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast import Predictor
from scaling.plot.rows import between, points
from scaling.plot.style import FIT, MARKERS, TRUTH, canvas, end_labels, gid, law_line, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, quantity

Array = NDArray[np.float64]


@styled
def envelope(table: pd.DataFrame, predictor: Predictor, *, axes: Axes | None = None) -> Figure:
    """Held-out loss of finished runs against C, joined by size, their lower envelope, and the law's
    frontier with its 90 % band.

    Only finished (cooled-down) runs: losses along a trunk are those of a high learning rate, and
    no envelope of runs. Seeds are averaged. Raises InputError where no size has two runs.
    """
    runs = points(table, predictor)
    figure, (ax,) = canvas(axes, height=3.0)
    sizes = np.unique(runs.N)
    grid = np.geomspace(runs.C.min(), runs.C.max(), 400)
    lowest = np.full(len(grid), np.inf)
    labels = []
    for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
        own = np.equal(runs.N, size)
        mean = pd.Series(runs.loss[own]).groupby(runs.C[own]).mean()
        C, loss = mean.index.to_numpy(dtype=float), mean.to_numpy(dtype=float)
        (line,) = ax.plot(C, loss, color=colour, linewidth=0.8, marker=MARKERS[i % len(MARKERS)],
                          markersize=3.2, markeredgecolor="white", markeredgewidth=0.3)  # fmt: skip
        line.set_gid(gid("size", size))
        labels.append((C[-1], loss[-1], quantity(size), colour))
        if len(C) > 1:
            here = between(grid, C[0], C[-1])
            lowest[here] = np.minimum(
                lowest[here], np.exp(np.interp(np.log(grid[here]), np.log(C), np.log(loss)))
            )
    if not np.isfinite(lowest).any():
        raise InputError("no envelope: no size was trained to two token counts")
    best = predictor.optimum(grid)
    law_line(ax, grid, best.loss.point, np.ones(len(grid), dtype=bool), colour=FIT,
             name="frontier", band=best.loss.interval())  # fmt: skip
    (hull,) = ax.plot(grid, np.where(np.isfinite(lowest), lowest, np.nan), color=TRUTH,
                      linewidth=1.8, alpha=0.75, zorder=1.5,
                      label="lower envelope of the runs")  # fmt: skip
    hull.set_gid("envelope")
    ax.plot([], [], color=FIT, linewidth=1.1, label="frontier of the fitted law, 90 % band")
    ax.set(xscale="log", yscale="log", xlabel=runs.c_label, ylabel=runs.loss_label)
    log_ticks(ax.xaxis, "power")
    log_ticks(ax.yaxis, "plain")
    ax.legend(loc="upper right", borderaxespad=0.1)
    end_labels(ax, [(y, text, colour) for _, y, text, colour in labels],
               title=SYMBOLS[predictor.n_column])  # fmt: skip
    return figure
