"""A run's gradient by block: its course through the net at several steps, and its trend by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scaling.errors import InputError
from scaling.plot.fitted import Array
from scaling.plot.marks import mark
from scaling.plot.style import FIT, INK, WIDE, canvas, end_labels, gid, note, ramp, styled
from scaling.plot.ticks import log_ticks

_PREFIX = "grad_norm/"
_SHOWN = 6  # steps whose course is drawn
_MANY = 30  # blocks, of which only the ends are marked
_LEAST = 4  # inner blocks that show a trend


@styled
def gradients(curve: pd.DataFrame, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Left: the norm of each block's gradient, first block to last, at up to six steps (dark first;
    the first and last parts, stem and head, are hollow). Right: the factor from each inner block to
    the one before, against steps, with the 90 % interval of the regression: above 1 the gradient
    grows on its way back, below 1 it vanishes.

    curve: a run's `curve.parquet`. Raises InputError where it keeps no gradients by block, or of
    too few blocks.
    """
    columns = [str(name) for name in curve if str(name).startswith(_PREFIX)]
    if len(columns) < _LEAST + 2:
        raise InputError(
            f"{len(columns)} blocks with a gradient in this curve; the figure needs {_LEAST + 2}"
        )
    norms = curve[columns].to_numpy(float)
    norms = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
    told = np.isfinite(norms).all(axis=1)
    if not told.any():
        raise InputError("at no step of this curve is every block's gradient finite and above 0")
    step, norms = curve["step"].to_numpy(float)[told], norms[told]
    figure, (left, right) = canvas(ax, 2, width=WIDE, height=2.8)
    _courses(left, step, norms, [name.removeprefix(_PREFIX) for name in columns])
    _trend(right, step, norms)
    return figure


def _courses(axes: Axes, step: Array, norms: Array, blocks: Sequence[str]) -> None:
    place = np.arange(1, len(blocks) + 1)
    wanted = np.geomspace(1, len(step), _SHOWN).round().astype(int) - 1
    shown = np.unique(wanted)
    size = 2.8 if len(blocks) <= _MANY else 0
    ends = []
    for row, colour in zip(shown, ramp(len(shown)), strict=True):
        (line,) = axes.plot(
            place, norms[row], "o-", color=colour, linewidth=0.9, markersize=size,
            markevery=slice(1, -1),
        )  # fmt: skip
        line.set_gid(gid("course", int(step[row])))
        (dots,) = axes.plot(place[[0, -1]], norms[row][[0, -1]], "o", color=colour, markersize=3.2,
                            markerfacecolor="white", markeredgewidth=0.8)  # fmt: skip
        dots.set_gid(gid("ends", int(step[row])))
        ends.append((float(norms[row][0]), f"{step[row]:.0f}", colour))
    axes.invert_xaxis()  # the gradient's own way: names stand where it has gone farthest
    axes.set_yscale("log")
    log_ticks(axes.yaxis, "power" if np.ptp(np.log10(norms[shown])) > 3 else "plain")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel(f"Block: 1 is {blocks[0]}, {len(blocks)} is {blocks[-1]}")
    axes.set_ylabel("Gradient norm")
    axes.set_title("By block")
    end_labels(axes, ends, title="step")


def _trend(axes: Axes, step: Array, norms: Array) -> None:
    """exp of minus the slope of ln norm by block, stem and head left out."""
    inner = np.log(norms[:, 1:-1])
    place = np.arange(inner.shape[1])
    from scipy.stats import linregress, t  # late: half a second to load

    fits = [linregress(place, row) for row in inner]
    factor = np.exp([-one.slope for one in fits])
    spread = t.ppf(0.95, inner.shape[1] - 2) * np.array([one.stderr for one in fits])
    low, high = factor * np.exp(-spread), factor * np.exp(spread)
    axes.axhline(1, color=INK, linewidth=0.6)
    band = axes.fill_between(step, low, high, color=FIT, alpha=0.17, linewidth=0)
    band.set_gid("band-trend")
    (line,) = axes.plot(step, factor, "o-", color=FIT, linewidth=1.0, markersize=2)
    mark(line, "trend", step=step, factor=factor, q05=low, q95=high)
    axes.set_xlim(0, step[-1])
    axes.set_xlabel("Step")
    axes.set_ylabel("Gradient over the next block's")
    axes.set_title("Growth with each block on the way back")
    note(axes, "band: 90 %, blocks taken as independent", x=0.98, y=0.98, ha="right")
