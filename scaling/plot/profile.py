"""How well the data fix a quantity: its profile likelihood, the threshold and the interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from scaling.errors import InputError
from scaling.fit.profile import Profile
from scaling.plot.style import COLUMN, FIT, INK, MUTED, TRUTH, WIDE, canvas, gid, note, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import asked, quantity

_ROW = 3  # panels beside each other
_DECADE = np.log10(8)  # of values: a log axis over less has linear ticks
_TOP = 2.1  # times the threshold: where the likelihood axis ends


@styled
def profile(profiles: Sequence[Profile], *, ax: Sequence[Axes] | Axes | None = None) -> Figure:
    """A panel for each quantity: twice the rise of the objective over its scale, so that a normal
    likelihood gives a parabola of one unit a standard error squared.

    The dashed line is the threshold of the profile's level, the strip the interval below it; an
    arrow marks an end that is open. Raises InputError without a profile.
    """
    if not profiles:
        raise InputError("no profile: name a quantity, such as alpha, a or N_opt@1e24")
    count = len(profiles)
    columns = min(count, _ROW)
    rows = -(-count // columns)
    width = COLUMN if columns == 1 else WIDE
    figure, axes = canvas(ax, columns, rows=rows, width=width, height=2.3 * rows)
    for panel, item in zip(axes, profiles, strict=False):
        _panel(panel, item)
    for panel in axes[count:]:
        panel.set_axis_off()
    for i in range(0, count, columns):
        axes[i].set_ylabel("Likelihood ratio $2\\Delta/k$")
    return figure


def _panel(axes: Axes, item: Profile) -> None:
    rise = np.maximum(2 * (item.objective - item.minimum) / item.scale, 0.0)
    limit = 2 * (item.threshold - item.minimum) / item.scale
    left, right = float(item.values[0]), float(item.values[-1])
    axes.set_xscale("log" if item.log and left > 0 else "linear")
    low, high = max(item.low, left), min(item.high, right)
    axes.fill_between([low, high], limit, color=FIT, alpha=0.13, linewidth=0)
    (line,) = axes.plot(item.values, rise, color=FIT, linewidth=1.2, zorder=3)
    line.set_gid(gid("profile", item.label))
    axes.axhline(limit, color=INK, linewidth=0.7, linestyle="--")
    axes.annotate(
        f"{100 * item.level:g} %", (0.5, limit), xycoords=("axes fraction", "data"),
        xytext=(0, 1.5), textcoords="offset points", ha="center", va="bottom", fontsize=6.3,
        color=MUTED,
    )  # fmt: skip
    best = int(np.argmin(np.abs(item.values - item.estimate)))
    axes.plot(item.estimate, rise[best], "o", color=TRUTH, markersize=4.2, markeredgecolor="white",
              markeredgewidth=0.5, zorder=5)  # fmt: skip
    axes.set(xlim=(left, right), ylim=(-0.04 * limit, max(_TOP * limit, 1e-12)))
    for side, end in zip((0, 1), item.ends, strict=True):
        if end == "open":
            _open(axes, side, limit)
    _ticks(axes, item)
    axes.set_xlabel(asked(item.quantity, item.at))
    interval = f"{_short(item.low)} to {_short(item.high)}"
    axes.set_title(f"{_short(item.estimate)}, {100 * item.level:g} %: {interval}", fontsize=7,
                   fontweight="normal")  # fmt: skip
    if item.status != "converged":
        note(axes, "a lower minimum lies elsewhere")


def _open(axes: Axes, side: int, limit: float) -> None:
    """An arrow out of the panel where the interval has no end."""
    axes.annotate(
        "", xy=(side, 0.5 * limit), xytext=(-16 if side else 16, 0), xycoords=("axes fraction",
        "data"), textcoords="offset points",
        arrowprops={"arrowstyle": "->", "color": TRUTH, "linewidth": 1.1},
    )  # fmt: skip


def _ticks(axes: Axes, item: Profile) -> None:
    left, right = float(item.values[0]), float(item.values[-1])
    if item.log and left > 0 and np.log10(right / left) > _DECADE:
        log_ticks(axes.xaxis, "power" if right > 1e15 else "quantity")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "unbounded"
    return quantity(value)
