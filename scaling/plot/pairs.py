"""Which parameters trade off: the draws of a fit, each pair of parameters against each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from scaling.errors import InputError
from scaling.fit import Fit
from scaling.plot.fitted import Array
from scaling.plot.style import BAND, COLUMN, FIT, INK, MUTED, TRUTH, WIDE, canvas, gid, note, styled
from scaling.plot.thin import nth
from scaling.plot.words import power, quantity, symbol

_SHOWN = 1500  # points of all panels together; each shows as many
_FROM = 500  # draws that contours are made of
_LEVELS = (0.9, 0.5)  # of the draws inside each contour
_CELLS = 60  # of a contour's grid, along each axis
_REACH = 4.5  # standard deviations to which the grid goes
_FEW = 3  # parameters that fit into a column
_LARGE = 1e15  # no letter is left for such a number
_NARROW = np.log(4)
_WIDE = np.log(30)  # a log axis over less has linear ticks


@styled
def pairs(fit: Fit, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Draws of the free parameters: a histogram each, and a panel for each pair.

    Contours hold 50 and 90 % of the draws; the cross is the estimate; numbers above the diagonal
    are correlations (of the logarithm, where a parameter is fitted as one). Raises InputError for
    a fit with fewer than 20 draws or two free parameters.
    """
    names = [name for name in fit.params if name not in fit.fixed]
    if len(fit.draws) < 20 or len(names) < 2:
        raise InputError(
            f"{len(fit.draws)} draws of {len(names)} free parameters: pairs need 20 draws of two"
        )
    logs = [fit.law.params[name].scale == "log" for name in names]
    samples = fit.params_draws()
    drawn = np.stack(
        [np.log(samples[n]) if log else samples[n] for n, log in zip(names, logs, strict=True)]
    )
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    count = len(names)
    step = max(1, len(drawn[0]) * count * (count - 1) // 2 // _SHOWN)
    size = COLUMN if count <= _FEW else min(WIDE, 1.05 * count)
    figure, axes = canvas(ax, count, rows=count, width=size, height=0.9 * size, grid=True)
    ranges = [_range(values) for values in drawn]
    for row in range(count):
        for column in range(count):
            panel = axes[row * count + column]
            if row < column:
                _correlation(panel, drawn[row], drawn[column])
                continue
            if row == column:
                _histogram(panel, drawn[row], ranges[row], logs[row])
                panel.axvline(fit.params[names[row]], color=TRUTH, linewidth=0.9)
            else:
                _pair(panel, drawn[column], drawn[row], logs[column], logs[row], step)
                panel.plot(
                    fit.params[names[column]], fit.params[names[row]], "+", color=TRUTH,
                    markersize=6, markeredgewidth=1.1, zorder=5,
                )  # fmt: skip
                panel.set_yscale("log" if logs[row] else "linear")
                _ticks(panel.yaxis, ranges[row], logs[row])
                panel.set_ylim(*_plain(np.array(ranges[row]), logs[row]))
            panel.set_gid(gid("pair", names[column], names[row]))
            panel.set_xscale("log" if logs[column] else "linear")
            _ticks(panel.xaxis, ranges[column], logs[column])
            panel.set_xlim(*_plain(np.array(ranges[column]), logs[column]))
            panel.tick_params(labelsize=6.3, length=2.2)
            panel.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
            if row == count - 1:
                panel.set_xlabel(symbol(names[column]))
            if column == 0 and row > 0:
                panel.set_ylabel(symbol(names[row]))
    if step > 1:  # the last panel of the first row has room below its correlation
        note(axes[count - 1], f"dots: every {nth(step)}\nof {len(drawn[0]):,} draws",
             x=0.5, ha="center")  # fmt: skip
    figure.align_labels()
    return figure


def _plain(values: Array, log: bool) -> Array:
    """From the scale of the fit to the parameter's own."""
    return np.exp(values) if log else values


def _range(values: Array) -> tuple[float, float]:
    """What is shown of one parameter: nearly all draws, not the wildest."""
    low, high = np.quantile(values, [0.005, 0.995])
    pad = 0.08 * (high - low) or 0.1 * abs(float(high)) or 1.0
    return float(low - pad), float(high + pad)


def _histogram(axes: Axes, values: Array, reach: tuple[float, float], log: bool) -> None:
    edges = np.linspace(*reach, 29)
    counts, _ = np.histogram(values, edges)
    axes.stairs(counts, _plain(edges, log), fill=True, color=BAND)
    for edge in _plain(np.quantile(values, [0.05, 0.95]), log):
        axes.axvline(float(edge), color=FIT, linewidth=0.7, linestyle=":")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _pair(axes: Axes, x: Array, y: Array, log_x: bool, log_y: bool, step: int) -> None:
    """Points, thinned evenly, and contours from a kernel density on the draws' own axes."""
    axes.plot(
        _plain(x[::step], log_x),
        _plain(y[::step], log_y),
        ".",
        color=MUTED,
        markersize=1.3,
        markeredgewidth=0,
        alpha=0.6,
    )
    both = np.stack([x, y])[:, :: max(1, len(x) // _FROM)]
    centre, spread = both.mean(axis=1), np.cov(both)
    root, turn = np.linalg.eigh(spread)
    if not root[0] > 1e-12 * root[1]:
        return  # one is a function of the other: the points are the contour
    # a grid along the principal axes: on the parameters' own a narrow ridge falls between cells
    to = turn * np.sqrt(root)
    white = np.linalg.solve(to, both - centre[:, None])
    from scipy.stats import gaussian_kde  # late: half a second to load

    density = gaussian_kde(white)
    line = np.linspace(-_REACH, _REACH, _CELLS)
    u, v = np.meshgrid(line, line)
    height = density(np.stack([u.ravel(), v.ravel()])).reshape(u.shape)
    levels = np.quantile(density(white), [1 - level for level in _LEVELS])
    grid_x, grid_y = (centre[:, None] + to @ np.stack([u.ravel(), v.ravel()])).reshape(2, *u.shape)
    if levels[1] > levels[0] > 0:
        axes.contour(
            _plain(grid_x, log_x),
            _plain(grid_y, log_y),
            height,
            levels,
            colors=FIT,
            linewidths=(0.7, 1.0),
        )


def _correlation(axes: Axes, x: Array, y: Array) -> None:
    value = float(np.corrcoef(x, y)[0, 1])
    strong = abs(value) > 0.9
    text = f"{value:+.3f}" if strong else f"{value:+.2f}"
    axes.text(
        0.5, 0.5, text.replace("-", "\N{MINUS SIGN}"), transform=axes.transAxes, ha="center",
        va="center", fontsize=7.5, color=INK if strong else MUTED,
        fontweight="bold" if strong else "normal",
    )  # fmt: skip
    axes.set_axis_off()


def _ticks(axis: Axis, reach: tuple[float, float], log: bool) -> None:
    """Few ticks, in the parameter's own units."""
    if log and reach[1] - reach[0] > _WIDE:
        axis.set_major_locator(LogLocator(numticks=3))
    elif log and reach[1] - reach[0] > _NARROW:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if reach[1] - reach[0] < 2 else (1, 3)))
    else:
        axis.set_major_locator(MaxNLocator(3, prune="both"))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    return power(value) if value >= _LARGE else quantity(value)
