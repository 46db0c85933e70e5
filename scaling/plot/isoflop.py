"""IsoFLOP profiles: the law's loss along budgets of equal compute, with its optima."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.plot.fitted import Array, Fitted, compute_name, loss_kind, rows
from scaling.plot.style import INK, MARKERS, WIDE, canvas, end_labels, law_line, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, power

_NEAR = 1.5  # a run stands for a budget if its tokens are within this factor of the budget's
_POINTS = 160


@styled
def isoflop(
    fit: Fitted, *, budgets: Sequence[float] | None = None, ax: Axes | None = None
) -> Figure:
    """Loss against N at each of `budgets` (FLOPs, in the fit's convention), by the fitted law.

    By default four budgets even in ln C within the fitted runs. Markers are the runs nearest to a
    budget, each moved along the law to it with its residual kept; stars are the optima with
    the 90 % interval of N_opt.
    """
    N, D, _, loss = rows(fit)
    if budgets is None:
        # the ends of the range touch one run each: stay a step inside
        budgets = np.geomspace(fit.c_min * 3, fit.c_max, 4).tolist()
    budgets = sorted(budgets)
    figure, (axes,) = canvas(ax, width=WIDE, height=3.3)
    best = fit.optimum(np.array(budgets))
    low_n, high_n = (np.atleast_1d(v) for v in best.N.interval())
    best_n, best_loss = np.atleast_1d(best.N.point), np.atleast_1d(best.loss.point)
    left = min(float(N.min()) / 1.25, float(best_n.min()) / 2.5)
    right = max(float(N.max()) * 1.25, float(best_n.max()) * 2.5)
    grid = np.geomspace(left, right, _POINTS)
    lowest, highest = float(best_loss.min()), float(best_loss.max())
    colours, ends = ramp(len(budgets)), []
    for i, (C, colour) in enumerate(zip(budgets, colours, strict=True)):
        tokens = fit.cost.tokens(C, grid)
        answer = fit.loss(grid, tokens)
        inside = (grid >= N.min()) & (grid <= N.max()) & (tokens >= D.min()) & (tokens <= D.max())
        inside &= fit.c_max * (1 + 1e-9) >= C
        law_line(
            axes, grid, answer.point, inside, colour=colour, name=f"{C:.4g}",
            band=answer.interval(),
        )  # fmt: skip
        x, y = _nearest(fit, N, D, loss, C)
        axes.plot(
            x, y, MARKERS[i % len(MARKERS)], color=colour, markeredgecolor="white",
            markeredgewidth=0.5, markersize=4.6, zorder=4,
        )  # fmt: skip
        if len(y):
            lowest, highest = min(lowest, float(y.min())), max(highest, float(y.max()))
        ends.append((float(answer.point[-1]), power(C), colour))
        axes.errorbar(
            [best_n[i]], [best_loss[i]],
            xerr=[[best_n[i] - low_n[i]], [high_n[i] - best_n[i]]],
            fmt="*", color=INK, markersize=8, markerfacecolor=colour, markeredgewidth=0.7,
            elinewidth=0.9, capsize=2, zorder=5,
        )  # fmt: skip
    # a steep end of the smallest budget's curve may leave the frame, the runs may not
    top = min(max(highest * 1.05, 1.01 * max(y for y, _, _ in ends)), highest * 1.15)
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(lowest * 0.965, top))
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    axes.set_xlabel(axis_label(fit.n_column))
    axes.set_ylabel(loss_label(loss_kind(fit)))
    end_labels(axes, ends, title=f"{SYMBOLS[compute_name(fit)]} (FLOPs)")
    return figure


def _nearest(fit: Fitted, N: Array, D: Array, loss: Array, C: float) -> tuple[Array, Array]:
    """For each size the rows nearest to the budget, moved along the law onto it."""
    goal = fit.cost.tokens(C, N)
    far = np.abs(np.log(D / goal))
    nearest = np.array([far[size == N].min() for size in N])
    keep = (far <= nearest * (1 + 1e-9)) & (far <= np.log(_NEAR))
    x, tokens = N[keep], goal[keep]
    moved = fit.loss(x, tokens).point / fit.loss(x, D[keep]).point
    return x, loss[keep] * moved
