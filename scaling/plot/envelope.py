"""Loss against compute: a line a size, and the lower envelope that no size beats."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.fitted import Fitted, compute_name, loss_kind, rows
from scaling.plot.marks import mark
from scaling.plot.style import (
    FIT,
    MARKERS,
    TRUTH,
    WIDE,
    canvas,
    end_labels,
    gid,
    law_line,
    ramp,
    styled,
)
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, quantity

_GRID = 400  # values of C at which sizes are compared, beside the runs' own
_COARSE = 26  # for the law's frontier, which is nearly straight


@styled
def envelope(fit: Fitted, *, ax: Axes | None = None) -> Figure:
    """Held-out loss of the fitted runs against C, joined by size, their lower envelope, and the
    law's frontier with its 90 % band.

    Finished (cooled-down) runs only: losses along a trunk are those of a high learning rate, and
    their envelope is not that of runs. Seeds are averaged. Raises InputError where no size has two
    runs.
    """
    N, _, C, loss = rows(fit)
    figure, (axes,) = canvas(ax, width=WIDE, height=3.1)
    sizes = np.unique(N)
    grid = np.union1d(np.geomspace(C.min(), C.max(), _GRID), C)
    lowest = np.full(len(grid), np.inf)
    ends = []
    for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
        own = np.equal(N, size)
        mean = pd.Series(loss[own]).groupby(C[own]).mean()
        x, y = mean.index.to_numpy(dtype=float), mean.to_numpy(dtype=float)
        (line,) = axes.plot(
            x, y, color=colour, linewidth=0.9, marker=MARKERS[i % len(MARKERS)], markersize=4,
            markeredgecolor="white", markeredgewidth=0.4, zorder=3,
        )  # fmt: skip
        mark(line, gid("size", size), N=np.full(len(x), size), C=x, loss=y)
        ends.append((float(y[-1]), quantity(float(size)), colour))
        here = (grid >= x[0]) & (grid <= x[-1]) & (len(x) > 1)
        between = np.exp(np.interp(np.log(grid), np.log(x), np.log(y)))
        lowest = np.where(here, np.minimum(lowest, between), lowest)
    if not np.isfinite(lowest).any():
        raise InputError("no envelope: no size was trained to two values of D")
    lowest = np.minimum.accumulate(lowest)  # the best that at most C reaches
    coarse = np.geomspace(C.min(), C.max(), _COARSE)
    best = fit.optimum(coarse)
    law_line(
        axes, coarse, best.loss.point, np.full(len(coarse), True), colour=FIT, name="frontier",
        band=best.loss.interval(),
    )  # fmt: skip
    (hull,) = axes.plot(
        grid, np.where(np.isfinite(lowest), lowest, np.nan), color=TRUTH, linewidth=3, alpha=0.45,
        zorder=1.5, label="lower envelope of the runs",
    )  # fmt: skip
    mark(hull, "envelope")
    axes.plot([], [], color=FIT, linewidth=1.1, label="frontier of the fitted law, 90 % band")
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel(axis_label(compute_name(fit)))
    axes.set_ylabel(loss_label(loss_kind(fit)))
    log_ticks(axes.xaxis, "power")
    log_ticks(axes.yaxis, "plain")
    axes.legend(loc="upper right", borderaxespad=0.1)
    end_labels(axes, ends, title=SYMBOLS[fit.n_column])
    return figure
