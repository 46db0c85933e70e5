"""The compute-optimal frontier: the loss and the size that a budget buys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.plot.fitted import Fitted, compute_name, loss_kind, rows
from scaling.plot.style import FIT, MUTED, TRUTH, WIDE, canvas, law_line, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label


@styled
def frontier(
    fit: Fitted,
    *,
    to: float | None = None,
    truth: Sequence[tuple[float, float]] = (),
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """The least loss at each C with its 90 % band; N_opt and D_opt beside it.

    to: the largest C drawn, 30 times the largest fitted run by default. truth: (C, loss) of
    runs beyond the fit, drawn as they came out.
    """
    _, _, C, loss = rows(fit)
    far = max([to or 30 * fit.c_max, *(1.6 * c for c, _ in truth)])
    grid = np.geomspace(fit.c_min, far, 140)
    inside = grid <= fit.c_max
    best = fit.optimum(grid)
    figure, (left, right) = canvas(ax, 2, width=WIDE, height=2.9)

    left.plot(
        C, loss, "o", color=MUTED, markersize=3, markerfacecolor="none", markeredgewidth=0.6,
        label="runs fitted",
    )  # fmt: skip
    law_line(
        left, grid, best.loss.point, inside, colour=FIT, name="loss", band=best.loss.interval()
    )
    if truth:
        left.plot(
            [c for c, _ in truth], [value for _, value in truth], "D", color=TRUTH, markersize=5,
            markeredgecolor="white", markeredgewidth=0.5, label="targets, as trained", zorder=4,
        )  # fmt: skip
    left.plot([], [], color=FIT, label="optimum inside data")
    left.plot([], [], color=FIT, linestyle=(0, (4, 2)), label="optimum, forecast")
    left.set(xscale="log", yscale="log")
    left.set_ylabel(loss_label(loss_kind(fit)))
    log_ticks(left.yaxis, "plain")
    left.legend(loc="upper right", borderaxespad=0)
    left.set_title("Loss at the optimum")

    for values, column, colour, side in (
        (best.N, fit.n_column, FIT, "N"),
        (best.D, "D", TRUTH, "D"),
    ):
        law_line(
            right, grid, values.point, inside, colour=colour, name=side, band=values.interval()
        )
        symbol = SYMBOLS[column].strip("$")
        middle = len(grid) // 2
        right.annotate(
            rf"${symbol}^\mathrm{{opt}}$",
            (float(grid[middle]), float(values.point[middle])),
            xytext=(-16, 8) if side == "D" else (16, -14), textcoords="offset points",
            color=colour, ha="center", fontsize=7.5,
        )  # fmt: skip
    right.set(xscale="log", yscale="log")
    right.set_ylabel("Parameters or tokens (count)")
    log_ticks(right.yaxis, "quantity")
    right.set_title("How to divide the budget")
    for panel in (left, right):
        panel.set_xlim(fit.c_min / 1.2, far)
        panel.set_xlabel(axis_label(compute_name(fit)))
        log_ticks(panel.xaxis, "power")
        panel.axvline(fit.c_max, color=MUTED, linewidth=0.6, linestyle=":")
    return figure
