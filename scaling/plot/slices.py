"""Slices of the fitted surface: L(N) at fixed D, L(D) at fixed sizes, L(C) at the best split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.plot.fitted import Array, Fitted, compute_name, d_kind, loss_kind, rows
from scaling.plot.levels import levels
from scaling.plot.marks import mark
from scaling.plot.style import (
    FIT,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    end_labels,
    gid,
    law_line,
    note,
    ramp,
    styled,
)
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, quantity

_BEYOND = 4.0  # how far past the data the law is drawn
_TOLERANCE = 0.05
_DOTS = 300  # of one line
_FAR = 30.0  # how far past the largest run's compute
_COARSE = 40  # values of C: the frontier is nearly straight


@styled
def slices(fit: Fitted, *, ax: Sequence[Axes] | None = None) -> Figure:
    """L(N) at each D that several sizes share, L(D) at each N that several lengths share, and L(C)
    at the best N and D of each C, beside all runs.

    Lines are the fitted law with its 90 % band: solid inside the data, dashed beyond.
    """
    N, D, C, loss = rows(fit)
    figure, axes = canvas(ax, 3, width=1.25 * WIDE, height=3.0, sharey=True)
    panels = (("N", fit.n_column, N, "D", "D", D), ("D", "D", D, "N", fit.n_column, N))
    named = []
    for panel, (name, column, x, other, label, fixed) in zip(axes, panels, strict=False):
        named.append((panel, _panel(fit, panel, name, x, other, fixed, loss), SYMBOLS[label]))
        panel.set_xlabel(axis_label(column, d_kind(fit)))
        at = "D" if name == "N" else SYMBOLS[label].strip("$")
        panel.set_title(f"$L({SYMBOLS[column].strip('$')})$ at fixed ${at}$")
    _at_best(fit, axes[2], N, D, C, loss)
    for panel, ends, symbol in named:  # once all have settled their common range
        end_labels(panel, ends, title=symbol)
    axes[0].set_ylabel(loss_label(loss_kind(fit)))
    return figure


def _panel(
    fit: Fitted,
    axes: Axes,
    name: str,
    x: Array,
    other: str,
    fixed: Array,
    loss: Array,
) -> list[tuple[float, str, Any]]:
    """Draw one panel; what its lines are called, for `end_labels`."""
    axes.set(xscale="log", yscale="log", xlim=(x.min() / 1.25, x.max() * _BEYOND))
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    found = levels(fixed, x, tolerance=_TOLERANCE, least=2)
    if not found:
        note(axes, f"no {other} is shared by runs of different {name}")
    grid = np.geomspace(*axes.get_xlim(), 120)
    ends = []
    for i, (level, colour) in enumerate(zip(found, ramp(len(found)), strict=True)):
        held = np.full_like(grid, level.value)
        answer = fit.loss(grid, held) if name == "N" else fit.loss(held, grid)
        own = x[level.rows]
        inside = (grid >= own.min() / 1.02) & (grid <= own.max() * 1.02)
        kept = level.rows[thinned(own, _DOTS)[0]]
        law_line(
            axes, grid, answer.point, inside, colour=colour, name=f"{other}-{level.value:.4g}",
            band=answer.interval(),
        )  # fmt: skip
        (dots,) = axes.plot(
            x[kept], loss[kept], MARKERS[i % len(MARKERS)], color=colour,
            markeredgecolor="white", markeredgewidth=0.5, markersize=4.4, zorder=4,
        )  # fmt: skip
        at = {name: x[kept], other: fixed[kept], "loss": loss[kept]}
        mark(dots, gid("runs", other, f"{level.value:.4g}"), **at)
        ends.append((float(answer.point[-1]), quantity(level.value), colour))
    return ends


def _at_best(fit: Fitted, axes: Axes, N: Array, D: Array, C: Array, loss: Array) -> None:
    """The law's loss at the best split of each C; solid where that N and D, too, lie inside."""
    axes.set(xscale="log", yscale="log", xlim=(C.min() / 1.25, C.max() * _FAR))
    grid = np.geomspace(*axes.get_xlim(), _COARSE)
    best = fit.optimum(grid)
    inside = (grid >= C.min() / 1.02) & (grid <= C.max() * 1.02)
    for own, at in ((N, best.N.point), (D, best.D.point)):
        inside &= (at >= own.min() / 1.02) & (at <= own.max() * 1.02)
    law_line(axes, grid, best.loss.point, inside, colour=FIT, name="best-split",
             band=best.loss.interval())  # fmt: skip
    kept, said = thinned(N)
    N, D, C, loss = N[kept], D[kept], C[kept], loss[kept]
    (dots,) = axes.plot(C, loss, "o", color=MUTED, markersize=3, markerfacecolor="none",
                        markeredgewidth=0.5, zorder=1.5)  # fmt: skip
    mark(dots, "runs-C", N=N, D=D, C=C, loss=loss)
    log_ticks(axes.xaxis, "power")
    log_ticks(axes.yaxis, "plain")
    axes.set_xlabel(axis_label(compute_name(fit)))
    axes.set_title("$L(C)$ at the best split")
    note(axes, f"rings: {said or 'all runs'}".replace("runs drawn: ", "runs,\n"))
