"""Loss against compute: a line a size, and the lower envelope that no size beats."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.fitted import Array, Fitted, compute_name, loss_kind, rows
from scaling.plot.labels import legible
from scaling.plot.marks import mark
from scaling.plot.style import (
    FIT,
    MARKERS,
    MUTED,
    TRUTH,
    WIDE,
    canvas,
    gid,
    law_line,
    note,
    ramp,
    styled,
)
from scaling.plot.thin import nth
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, quantity

_GRID = 400  # values of C at which sizes are compared, beside the runs' own
_POINTS = 60  # of a line: runs of more values of C are averaged
_NAMED = 10  # sizes: more names would hide each other
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
    courses = [_course(C[own], loss[own]) for own in (np.equal(N, size) for size in sizes)]
    binned = any(np.unique(C[np.equal(N, size)]).size > _POINTS for size in sizes)
    grid = np.union1d(
        np.geomspace(C.min(), C.max(), _GRID), np.concatenate([x for x, _ in courses])
    )
    lowest = np.full(len(grid), np.inf)
    every = -(-len(sizes) // _NAMED)
    colours = ramp(len(sizes))
    for i, (size, colour, (x, y)) in enumerate(zip(sizes, colours, courses, strict=True)):
        (line,) = axes.plot(
            x, y, color=colour, linewidth=0.9, marker=MARKERS[i % len(MARKERS)], markersize=4,
            markeredgecolor="white", markeredgewidth=0.4, zorder=3,
        )  # fmt: skip
        mark(line, gid("size", size), N=np.full(len(x), size), C=x, loss=y)
        if i % every == 0:
            axes.annotate(
                quantity(float(size)), (x[0], y[0]), xytext=(2, 3), textcoords="offset points",
                fontsize=6.8, color=legible(colour), ha="left", va="bottom",
            )  # fmt: skip
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
    named = f"every {nth(every)} named" if every > 1 else "named at its least compute"
    symbol = SYMBOLS[fit.n_column]
    axes.plot([], [], color=MUTED, linewidth=0.9, marker="o", markersize=4,
              label=f"runs of one {symbol}, {named}")  # fmt: skip
    axes.legend(loc="upper right", borderaxespad=0.1)
    if binned:
        note(axes, f"runs of a size averaged over {_POINTS} bins of compute")
    return figure


def _course(C: Array, loss: Array) -> tuple[Array, Array]:
    """C and mean loss of the runs of one size; of very many C, the means of bins of ln C."""
    values, which = np.unique(C, return_inverse=True)
    if len(values) <= _POINTS:
        return values, np.bincount(which, loss) / np.bincount(which)
    edges = np.geomspace(C.min(), C.max(), _POINTS + 1)
    bins = np.clip(np.searchsorted(edges, C, side="right") - 1, 0, _POINTS - 1)
    which = np.unique(bins, return_inverse=True)[1]
    count = np.bincount(which)
    return np.exp(np.bincount(which, np.log(C)) / count), np.bincount(which, loss) / count
