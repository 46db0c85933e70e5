"""Loss-versus-scale curves: fitted points, the forecast with its band, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.extrapolate import CurveForecast
from scaling.plot.style import COLUMN, FIT, INK, MUTED, TRUTH, WIDE, canvas, gid, note, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.width import across
from scaling.plot.words import named

_ROW = 3  # panels beside each other
_POINTS = 60  # of the drawn forecast


@styled
def extrapolation(
    forecasts: Sequence[CurveForecast],
    *,
    x: str = "x",
    y: str = "loss",
    ax: Sequence[Axes] | Axes | None = None,
) -> Figure:
    """A panel for each curve: fitted points, the forecast (dashed) with its 90 % band, and known
    losses ahead. Raises InputError without a curve that has something to predict."""
    shown = [item for item in forecasts if len(item.curve.at)]
    if not shown:
        raise InputError("no curve with a point to predict")
    columns = min(len(shown), _ROW)
    rows = -(-len(shown) // columns)
    width = COLUMN if columns == 1 else WIDE
    figure, axes = canvas(ax, columns, rows=rows, width=width, height=2.1 * rows + 0.3)
    for panel, item in zip(axes, shown, strict=False):
        _panel(panel, item)
    for panel in axes[max(0, len(shown) - columns) : len(shown)]:
        panel.set_xlabel(x)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    for panel in axes[: len(shown) : columns]:
        panel.set_ylabel(y)
    handles, names = axes[0].get_legend_handles_labels()
    if ax is None:
        figure.legend(handles, names, loc="outside upper left", ncols=across(len(names)))
    else:
        axes[0].legend(handles, names)
    return figure


def _panel(axes: Axes, item: CurveForecast) -> None:
    curve, name = item.curve, item.curve.group
    far = max(float(curve.at.max()), item.extrapolation.x_last * 1.01)
    along = np.geomspace(item.extrapolation.x_last, far, _POINTS)
    low, high = item.extrapolation.quantiles(along)
    band = axes.fill_between(along, low, high, color=FIT, alpha=0.17, linewidth=0,
                             label="90 % interval")  # fmt: skip
    band.set_gid(gid("band", name))
    axes.plot(along, item.extrapolation.predict(along), "--", color=FIT, linewidth=1.2, zorder=5,
              label="forecast")  # fmt: skip
    axes.plot(curve.x, curve.loss, "o", color=INK, markersize=2.2, label="fitted")
    if item.known.any():
        ahead, truth = curve.at[item.known], curve.truth[item.known]
        axes.plot(ahead, truth, "D", color=TRUTH, alpha=0.5, markersize=1.8, markeredgewidth=0,
                  label="came out")  # fmt: skip
    axes.set(xscale="log", yscale="log")
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    axes.set_title(named(name), fontsize=7, color=MUTED)
    if item.unchecked:
        note(axes, item.unchecked.split(":")[0])
