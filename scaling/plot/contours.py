"""The fitted surface from above: L(N, D) as contours, with runs, isoFLOP lines and the frontier."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.path import Path

from scaling.errors import InputError
from scaling.forecast.frontier import without_draws
from scaling.plot.fitted import Array, Fitted, compute_name, d_kind, loss_kind, rows
from scaling.plot.marks import mark
from scaling.plot.style import (
    BAND,
    DASHED,
    FIT,
    INK,
    MUTED,
    SOLID,
    TRUTH,
    WIDE,
    canvas,
    gid,
    law_line,
    narrow,
    note,
    styled,
)
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, named, power, quantity

AHEAD = 10.0  # times the largest run's compute: the budget where none is asked for
_ROOM = 1.7  # around runs and optimum, as a factor
_GRID = 70  # values of ln N and of ln D
_LINES = 40  # points of a frontier or an isoFLOP line
_CONTOURS = 9
_MOST_ISO = 7
_NAMED = 0.85  # of the axes, up to where a line is named that enters there
_LINE = 11  # points: of words above the axes
_MANY = 200  # runs, whose markers are small
_WHITE = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.5}


@styled
def contours(fit: Fitted, budget: float | None = None, *, ax: Axes | None = None) -> Figure:
    """Contours of L(N, D) over log N and log D, solid among the runs (inside the shaded hull of
    them) and dashed where the law is extrapolated.

    The frontier runs through the best N and D of each C; across it, along each isoFLOP line, lies
    its 90 % band. budget: FLOPs whose optimum is the star, with its interval; by default ten times
    the largest run's. Raises InputError for a budget that is no finite number above 0, and for runs
    that span no area.
    """
    C = AHEAD * fit.c_max if budget is None else budget
    if not (np.isfinite(C) and C > 0):
        raise InputError(f"budget = {C:g}; must be a finite number of FLOPs above 0")
    N, D, spent, loss = rows(fit)
    low, high = (float(end[0]) for end in fit.optimum(np.array([C])).N.interval())
    figure, (axes,) = canvas(ax, width=WIDE, height=4.6)
    reach = np.array([low, high])
    shown = [
        np.concatenate(both) for both in ((N, reach), (D, np.asarray(fit.cost.tokens(C, reach))))
    ]
    spans = [(values.min() / _ROOM, values.max() * _ROOM) for values in shown]
    axes.set(xscale="log", yscale="log", xlim=spans[0], ylim=spans[1])
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "quantity")
    hull = _hull(axes, N, D)
    _surface(axes, fit, hull)
    _isoflops(axes, fit)
    _frontier(axes, fit, hull, np.geomspace(min(fit.c_min, C), max(fit.c_max, C), _LINES))
    kept, said = thinned(N)
    (dots,) = axes.plot(N[kept], D[kept], "o", color=INK, markersize=3 if len(N) <= _MANY else 1.7,
                        markeredgecolor="white", markeredgewidth=0.3, zorder=2.5,
                        label="runs")  # fmt: skip
    mark(dots, "runs", N=N[kept], D=D[kept], C=spent[kept], loss=loss[kept])
    note(axes, said)
    axes.set_xlabel(axis_label(fit.n_column))
    axes.set_ylabel(axis_label("D", d_kind(fit)))
    small = narrow(axes)
    told = ("\n" if small else " ").join(_star(axes, fit, C))
    above, below = (_LINE * n for n in ((3, 3) if small else (1, 1)))
    title = f"Contours: {loss_label(loss_kind(fit), 'fitted loss')}, {named(fit.law.name)}"
    axes.set_title(title, pad=above + below + 10, fontsize=7 if small else None)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 if small else 3,
                borderaxespad=0.1, columnspacing=1.4)  # fmt: skip
    axes.annotate(told, (0, 1), xycoords="axes fraction", xytext=(0, below + 8), fontsize=7,
                  textcoords="offset points", color=TRUTH)  # fmt: skip
    return figure


def _hull(axes: Axes, N: Array, D: Array) -> Path:
    """The convex hull of the runs, shaded, as a path in data coordinates: straight on log axes."""
    from scipy.spatial import ConvexHull, QhullError  # late: a fourth of what figures import

    at = np.unique(np.column_stack([np.log(N), np.log(D)]), axis=0)
    try:
        corners = np.exp(at[ConvexHull(at).vertices])
    except (QhullError, ValueError):
        raise InputError(
            "no contours: the runs lie on one line of N and D, so that the law is fitted to no area"
        ) from None
    patch = Polygon(corners, closed=True, facecolor=BAND, alpha=0.22, linewidth=0, zorder=0.5)
    patch.set_gid("data")
    patch.set_label("among runs: fit (solid); else forecast (dashed)")
    axes.add_patch(patch)
    return Path(np.vstack([corners, corners[:1]]), closed=True)


def _surface(axes: Axes, fit: Fitted, hull: Path) -> None:
    """Contours at quantiles of the surface, so that they spread evenly over the paper."""
    x, y = (np.geomspace(*limits, _GRID) for limits in (axes.get_xlim(), axes.get_ylim()))
    mesh = np.meshgrid(x, y)
    values = np.asarray(without_draws(fit).loss(*mesh).point)
    levels = _round(np.quantile(values, np.linspace(0.0, 1.0, _CONTOURS + 2)[1:-1]))
    # the solid lines lie on the dashed ones, so that only their clipping tells them apart
    for name, dashes in (("forecast", DASHED), ("fit", SOLID)):
        lines = axes.contour(*mesh, values, levels, colors=MUTED, linewidths=0.8,
                             linestyles=[dashes], zorder=1)  # fmt: skip
        lines.set_gid(f"contours-{name}")
        if name == "fit":
            lines.set_clip_path(hull, axes.transData)
            continue
        for text in axes.clabel(lines, fmt=lambda value: f"{value:.4g}", inline=False):
            text.set(bbox=_WHITE, fontsize=6.3, zorder=3)


def _round(levels: Array) -> Array:
    """Levels in as few digits as keep them apart."""
    for digits in range(2, 9):
        found = np.unique([float(f"{level:.{digits}g}") for level in levels])
        if len(found) == len(levels):
            return found
    return np.unique(levels)


def _isoflops(axes: Axes, fit: Fitted) -> None:
    """Lines of equal compute at whole decades, named where they leave the axes above or left."""
    (least, most), (short, long) = axes.get_xlim(), axes.get_ylim()
    low, high = (
        float(np.log10(fit.cost.flops_per_token(n) * d)) for n, d in ((least, short), (most, long))
    )
    step = int(np.ceil((high - low) / _MOST_ISO))
    N, unit = np.geomspace(least, most, _LINES), " FLOPs"  # of the first that is named
    for exponent in range(int(np.floor(high)), int(np.ceil(low)) - 1, -step):
        D = np.asarray(fit.cost.tokens(10.0**exponent, N))
        (line,) = axes.plot(N, D, color=FIT, linewidth=0.5, alpha=0.55, linestyle=":", zorder=0.8)
        line.set_gid(gid("isoflop", exponent))
        shown = np.flatnonzero((short <= D) & (long / 1.05 >= D))
        if len(shown) and shown[0] < _NAMED * _LINES:
            at = shown[0]
            name, unit = power(10.0**exponent) + unit, ""
            axes.annotate(name, (N[at], D[at]), xytext=(2, -1), textcoords="offset points",
                          fontsize=6.3, color=FIT, va="top", zorder=3)  # fmt: skip


def _frontier(axes: Axes, fit: Fitted, hull: Path, C: Array) -> None:
    """The best N and D of each C; its band is that of N_opt, along the line of that C."""
    best = fit.optimum(C)
    low, high = best.N.interval()
    edge = np.concatenate([low, high[::-1]])
    there = np.asarray(fit.cost.tokens(np.concatenate([C, C[::-1]]), edge))
    band = Polygon(np.column_stack([edge, there]), closed=True, facecolor=FIT, alpha=0.17,
                   linewidth=0, zorder=1.5)  # fmt: skip
    band.set_gid("band-frontier")
    axes.add_patch(band)
    band.set_label("best split of each $C$, 90 % band")
    points = np.log(np.column_stack([best.N.point, best.D.point]))
    inside = Path(np.log(np.asarray(hull.vertices))).contains_points(points)
    law_line(axes, best.N.point, best.D.point, inside, colour=FIT, name="frontier")


def _star(axes: Axes, fit: Fitted, C: float) -> list[str]:
    """The optimum of the budget, its interval along the budget's line; what it is, in words."""
    best = fit.optimum(np.array([C]))
    N, D, loss = (float(v.point[0]) for v in (best.N, best.D, best.loss))
    (low, high), (least, most) = (
        [float(end[0]) for end in v.interval()] for v in (best.N, best.loss)
    )
    along = np.geomspace(low, high, _LINES)
    (bar,) = axes.plot(along, fit.cost.tokens(C, along), color=TRUTH, linewidth=1.6, zorder=6)
    bar.set_gid("interval-optimum")
    (star,) = axes.plot([N], [D], "*", color=TRUTH, markersize=11, markeredgecolor="white",
                        markeredgewidth=0.6, zorder=7)  # fmt: skip
    mark(star, "optimum", N=N, D=D, C=C, loss=loss, N_q05=low, N_q95=high, loss_q05=least,
         loss_q95=most)  # fmt: skip
    times = C / fit.c_max
    many = f"{times:,.0f}" if times >= 100 else f"{times:.3g}"
    reach = (
        f"forecast, {many}$\\times$ the largest run" if times > 1 else "inside the runs' compute"
    )
    return [
        f"best at {SYMBOLS[compute_name(fit)]} = {power(C)}: {SYMBOLS[fit.n_column]} = "
        f"{quantity(N)} [{quantity(low)}, {quantity(high)}],",
        f"$D$ = {quantity(D)}, $L$ = {loss:.4g} [{least:.4g}, {most:.4g}];",
        reach,
    ]
