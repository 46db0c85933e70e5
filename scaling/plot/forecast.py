"""A forecast in one picture: the loss, the size and the length, and how far beyond the data."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.forecast.forecast import Forecast
from scaling.forecast.interval import Interval
from scaling.plot.marks import mark
from scaling.plot.style import BAND, FIT, INK, MUTED, TRUTH, WIDE, canvas, narrow, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, compute_column, loss_label, quantity

_ROOM = 1.6  # around what is shown on a log axis, as a factor
_RULES = {"twenty": "20 per parameter", "last_minimum": "last minimum"}


@styled
def forecast(found: Forecast, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Four strips: the loss to expect of one run, N and D with their 90 % intervals, and the
    compute beside that of the runs behind it.

    Pale: all N (and the D that go with them) within .5 % of the best loss. Ticks below: what rules
    of thumb would train. Red on the last strip: beyond what rollouts of the table could check.
    """
    figure, axes = canvas(ax, rows=4, width=WIDE, height=3.6)
    _loss(axes[0], found)
    _size(axes[1], found)
    _length(axes[2], found)
    _reach(axes[3], found)
    for panel in axes:
        panel.set_yticks([])
        panel.set_ylim(-1, 1)
        panel.spines["left"].set_visible(False)
    return figure


def _strip(axes: Axes, name: str, chosen: float, told: Interval, words: str) -> None:
    """What is chosen as a star, and the interval around the estimate."""
    if told.open:
        axes.plot([told.q05, told.q95], [0, 0], color=FIT, linewidth=6, alpha=0.45,
                  solid_capstyle="butt", gid=f"interval-{name}")  # fmt: skip
    axes.plot([told.point], [0], "|", color=FIT, markersize=12, markeredgewidth=1.8)
    (star,) = axes.plot([chosen], [0], "*", color=INK, markersize=8, markeredgecolor="white",
                        markeredgewidth=0.5, zorder=5)  # fmt: skip
    columns = {name: chosen, "estimate": told.point, "q05": told.q05, "q95": told.q95}
    mark(star, name, **columns)
    axes.set_title(words, fontsize=7.5, fontweight="normal")


def _loss(axes: Axes, found: Forecast) -> None:
    told = found.loss
    ends = f" [{told.q05:.4g}, {told.q95:.4g}]" if told.open else ""
    _strip(axes, "loss", told.point, told, f"Loss of one run: {told.point:.4g}{ends}")
    room = 0.6 * (told.q95 - told.q05) or 0.05 * told.point
    axes.set_xlim(told.q05 - room, told.q95 + room)
    axes.minorticks_on()
    axes.set_xlabel(loss_label(found.l_kind))


def _size(axes: Axes, found: Forecast) -> None:
    told, flat = found.n_opt, found.flat
    axes.axvspan(*flat, color=BAND, alpha=0.25, linewidth=0, zorder=0)
    words = f"Size: {quantity(found.N)}{_ends(told)}"
    if not narrow(axes):
        words += f"; within .5 % of the best loss from {quantity(flat[0])} to {quantity(flat[1])}"
    _strip(axes, "N", found.N, told, words)
    naive = found.naive or {}
    for name, value in naive.items():
        axes.plot([value], [-0.75], "^", color=MUTED, markersize=3.5)
        axes.annotate(_RULES.get(name, name), (value, -0.75), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=6.3, color=MUTED)  # fmt: skip
    _log(axes, [found.N, told.q05, told.q95, *flat, *naive.values()])
    axes.set_xlabel(axis_label(found.n_column))


def _length(axes: Axes, found: Forecast) -> None:
    told = found.d_opt
    ends = [found.D * found.N / size for size in reversed(found.flat)]
    axes.axvspan(*ends, color=BAND, alpha=0.25, linewidth=0, zorder=0)
    _strip(axes, "D", found.D, told, f"Length: {quantity(found.D)}{_ends(told)}, "
           f"{found.tokens_per_param:.3g} for each parameter")  # fmt: skip
    _log(axes, [found.D, told.q05, told.q95, *ends])
    axes.set_xlabel(axis_label("D", found.d_kind))


def _reach(axes: Axes, found: Forecast) -> None:
    """The budget beside the compute of the runs, and how far forecasts were checked."""
    shown = [found.C]
    if found.compute_ratio > 0:
        low, high = found.C / found.least_ratio, found.C / found.compute_ratio
        axes.plot([low, high], [0, 0], color=MUTED, linewidth=6, solid_capstyle="butt", gid="data")
        axes.annotate("the runs", (low, 0.55), fontsize=6.3, color=MUTED, va="bottom")
        checked = max(found.checked or 1.0, 1.0) * high
        shown += [low, checked]
        if found.checked and found.checked > 1:
            axes.plot([high, checked], [0, 0], color=FIT, linewidth=2, gid="checked")
            axes.annotate("checked by rollouts", (high, 0.55), fontsize=6.3, color=FIT, va="bottom")
        if checked < found.C:
            axes.plot([checked, found.C], [0, 0], color=TRUTH, linewidth=1, linestyle=":",
                      gid="unchecked")  # fmt: skip
    (star,) = axes.plot([found.C], [0], "*", color=INK, markersize=8, markeredgecolor="white",
                        markeredgewidth=0.5, zorder=5)  # fmt: skip
    mark(star, "C", C=found.C, ratio=found.compute_ratio)
    axes.set_title(f"Reach: {found.kind}, {found.reach}", fontsize=7.5, fontweight="normal")
    _log(axes, shown, "power")
    axes.set_xlabel(axis_label(compute_column(found.c_kind)))


def _ends(told: Interval) -> str:
    return f" [{quantity(told.q05)}, {quantity(told.q95)}]" if told.open else ""


def _log(axes: Axes, values: Sequence[float], form: str = "quantity") -> None:
    axes.set(xscale="log", xlim=(min(values) / _ROOM, max(values) * _ROOM))
    log_ticks(axes.xaxis, form)
