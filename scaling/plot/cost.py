"""What the runs cost: predicted against measured seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.plot.style import COLUMN, FIT, INK, MUTED, TRUTH, canvas, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label

WITHIN = 0.25  # of the measured time: the precision that a plan promises


def timed(records: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predicted and measured seconds of the records that have both."""
    pairs = [
        (float(r["predicted_seconds"]), float(r["seconds"]))
        for r in records
        if r.get("predicted_seconds") and r.get("seconds")
    ]
    both = np.array(pairs, dtype=float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


@styled
def cost(records: Sequence[Mapping[str, Any]], *, ax: Axes | None = None) -> Figure:
    """Measured against predicted seconds of each record; the strip is within 25 %.

    Raises InputError where no record has both.
    """
    predicted, measured = timed(records)
    if not len(predicted):
        raise InputError("no run has a predicted and a measured time")
    figure, (axes,) = canvas(ax, width=COLUMN * 1.25, height=3.3)
    low = float(min(predicted.min(), measured.min())) / 1.4
    high = float(max(predicted.max(), measured.max())) * 1.4
    line = np.array([low, high])
    axes.fill_between(
        line, line * (1 - WITHIN), line * (1 + WITHIN), color=FIT, alpha=0.15, linewidth=0
    )
    axes.plot(line, line, color=INK, linewidth=0.7)
    good = np.abs(measured / predicted - 1) <= WITHIN
    for mask, colour, marker, what in (
        (good, FIT, "o", "within 25 %"),
        (~good, TRUTH, "^", "outside"),
    ):
        axes.plot(
            predicted[mask], measured[mask], marker, color=colour, markersize=4.2,
            markeredgecolor="white", markeredgewidth=0.4, label=f"{what}: {int(mask.sum())}",
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        log_ticks(axis, "plain")
    axes.set_xlabel(axis_label("predicted_seconds"))
    axes.set_ylabel(axis_label("seconds"))
    axes.legend(loc="upper left")
    axes.text(
        0.98, 0.03, "strip: within 25 %", transform=axes.transAxes, ha="right", fontsize=6.5,
        color=MUTED,
    )  # fmt: skip
    return figure
