"""IsoFLOP profiles: at each budget the loss against size, and the optimum with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.fitted import Array, Fitted, compute_name, loss_kind, rows
from scaling.plot.labels import legible
from scaling.plot.levels import levels
from scaling.plot.marks import mark
from scaling.plot.style import (
    INK,
    MARKERS,
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
from scaling.plot.width import across
from scaling.plot.words import SYMBOLS, axis_label, loss_label, power

_SAME = 0.05  # runs within 5 % of a budget were trained at it
_SIZES = 3  # that a profile needs
_MOST = 5  # profiles drawn
_DOTS = 300  # runs drawn of each


@dataclass(frozen=True, eq=False)
class Profile:
    """Losses of several sizes at one budget; measured there (then D are the runs'), or interpolated
    to it."""

    C: float
    N: Array
    loss: Array
    D: Array | None = None

    @property
    def measured(self) -> bool:
        return self.D is not None


@styled
def isoflop(fit: Fitted, *, ax: Axes | None = None) -> Figure:
    """Loss against N at up to five budgets that three or more sizes span, the law, and its optima.

    Filled markers are runs of an isoFLOP grid. On a grid of N and D no runs share a budget: then
    open markers are each size's loss, interpolated (ln L on ln C) between its runs on either side
    of the budget. Curves are the fitted law, solid where N and D both lie inside the data. Stars
    are the compute-optimal N with 90 % intervals. Raises InputError where no budget has three
    sizes.
    """
    N, D, C, loss = rows(fit)
    profiles = _measured(N, D, C, loss) or _interpolated(N, C, loss)
    if not profiles:
        raise InputError(f"no isoFLOP profiles: no budget is spanned by {_SIZES} sizes")
    figure, (axes,) = canvas(ax, width=WIDE, height=3.3)
    best = fit.optimum(np.array([profile.C for profile in profiles]))
    shown = np.concatenate([profile.loss for profile in profiles])
    left = min(float(N.min()) / 1.3, float(best.N.point.min()) / 2)
    right = max(float(N.max()) * 1.3, float(best.N.point.max()) * 2)
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    axes.set_ylim(0.98 * min(shown.min(), best.loss.point.min()), 1.025 * shown.max())
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    grid = np.geomspace(left, right, 160)
    said = ""
    top = float(axes.get_ylim()[1])
    ends = []
    for i, (profile, colour) in enumerate(zip(profiles, ramp(len(profiles)), strict=True)):
        tokens = fit.cost.tokens(profile.C, grid)
        law, name = fit.loss(grid, tokens), f"budget-{i}"
        inside = (grid >= N.min()) & (grid <= N.max()) & (tokens >= D.min()) & (tokens <= D.max())
        law_line(axes, grid, law.point, inside, colour=colour, name=name, band=law.interval())
        kept, told = thinned(profile.N, _DOTS)
        said = told.replace("runs drawn", "runs of a budget drawn") or said
        (dots,) = axes.plot(
            profile.N[kept], profile.loss[kept], MARKERS[i % len(MARKERS)], color=colour,
            markersize=4.4,
            markerfacecolor=colour if profile.measured else "white", markeredgewidth=0.9, zorder=4,
        )  # fmt: skip
        ran = {} if profile.D is None else {"D": profile.D[kept]}
        what = "runs" if profile.measured else "interpolated"
        mark(dots, gid(what, name), N=profile.N[kept], loss=profile.loss[kept], **ran)
        if law.point[-1] <= top:
            ends.append((float(law.point[-1]), power(profile.C), colour))
            continue
        rising = np.arange(len(grid)) > law.point.argmin()
        out = float(grid[rising & (law.interval()[1] > top)][0])  # where it leaves by the top
        axes.annotate(power(profile.C), (out, top), xytext=(-5, -1), fontsize=6.8,
                      textcoords="offset points", color=legible(colour), ha="right",
                      va="top")  # fmt: skip
    low, high = best.N.interval()
    stars = axes.errorbar(
        best.N.point, best.loss.point,
        xerr=np.maximum([best.N.point - low, high - best.N.point], 0.0), fmt="*", color=INK,
        markersize=7, markeredgecolor="white", markeredgewidth=0.5, elinewidth=0.9, capsize=2,
        zorder=5, label="optimum by the law, 90 % interval",
    )  # fmt: skip
    mark(stars.lines[0], "optima", C=[profile.C for profile in profiles], N=best.N.point,
         N_q05=low, N_q95=high, D=best.D.point, loss=best.loss.point)  # fmt: skip
    axes.plot(
        [], [], "o", color=INK, markersize=4, markeredgewidth=0.9,
        markerfacecolor=INK if profiles[0].measured else "white",
        label="runs" if profiles[0].measured else "each size, interpolated between its runs",
    )  # fmt: skip
    axes.plot([], [], color=INK, linewidth=1.1, label="fitted law (dashed: beyond the data)")
    note(axes, said)
    axes.set_xlabel(axis_label(fit.n_column))
    axes.set_ylabel(loss_label(loss_kind(fit)))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=across(3), columnspacing=1.4)
    end_labels(axes, ends, title=f"{SYMBOLS[compute_name(fit)]} (FLOPs)")
    return figure


def _measured(N: Array, D: Array, C: Array, loss: Array) -> list[Profile]:
    """Profiles of an isoFLOP grid: budgets that several sizes were trained at."""
    found = levels(C, N, tolerance=_SAME, least=_SIZES, most=_MOST)
    return [Profile(at.value, N[at.rows], loss[at.rows], D[at.rows]) for at in found]


def _interpolated(N: Array, C: Array, loss: Array) -> list[Profile]:
    """Profiles of a grid of N and D, at budgets even in ln C that three sizes span; seeds are
    averaged."""
    lines = []
    for size in np.unique(N):
        own = np.equal(N, size)
        mean = pd.Series(np.log(loss[own])).groupby(np.log(C[own])).mean()
        lines.append((size, mean.index.to_numpy(dtype=float), mean.to_numpy(dtype=float)))

    def at(c: float) -> list[tuple[float, float]]:
        return [
            (float(size), float(np.exp(np.interp(c, x, y))))
            for size, x, y in lines
            if x[0] <= c <= x[-1]
        ]

    grid = np.linspace(np.log(C.min()), np.log(C.max()), 400)
    usable = [c for c in grid if len(at(c)) >= _SIZES]
    if not usable:
        return []
    budgets = np.linspace(usable[0], usable[-1], _MOST)
    found = [(c, np.array(at(c)).T) for c in budgets if len(at(c)) >= _SIZES]
    return [Profile(float(np.exp(c)), n, y) for c, (n, y) in found]
