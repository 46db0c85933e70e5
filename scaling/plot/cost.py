"""What the runs cost: predicted against measured seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.plot.marks import mark
from scaling.plot.style import FIT, INK, TRUTH, canvas, note, styled
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label

WITHIN = 0.25  # of the measured time: the precision that a plan promises

Records = Sequence[Mapping[str, Any]]


def timed(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predicted and measured seconds of the records that have both."""
    pairs = [(float(r["predicted_seconds"]), float(r["seconds"])) for r in _with_times(records)]
    both = np.array(pairs, dtype=float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _with_times(records: Records) -> Records:
    return [r for r in records if r.get("predicted_seconds") and r.get("seconds")]


@styled
def cost(records: Records, *, ax: Axes | None = None) -> Figure:
    """Measured against predicted seconds of each record; the strip is within 25 %.

    Times are marginal: the part of a trunk that a cell was first to need, its cooldown, its
    evaluation. Raises InputError where no record has both.
    """
    predicted, measured = timed(records)
    if not len(predicted):
        raise InputError("no run has a predicted and a measured time")
    figure, (axes,) = canvas(ax, height=3.1)
    both = np.concatenate([predicted, measured])
    line = np.array([both.min() / 1.4, both.max() * 1.4])
    axes.fill_between(
        line, line * (1 - WITHIN), line * (1 + WITHIN), color=FIT, alpha=0.15, linewidth=0,
        label=f"within {100 * WITHIN:.0f} %",
    )  # fmt: skip
    axes.plot(line, line, color=INK, linewidth=0.7)
    said = ""
    for role, colour, marker, size in (("pilot", FIT, "o", 4.2), ("target", TRUTH, "*", 8)):
        cells = _with_times([r for r in records if r.get("role", "pilot") == role])
        kept, told = thinned([float(r["predicted_seconds"]) for r in cells])
        said += f"\n{told}" if told else ""
        cells = [cells[i] for i in kept]
        own = timed(cells)
        if len(own[0]):
            (dots,) = axes.plot(
                *own, marker, color=colour, markersize=size, markeredgecolor="white",
                markeredgewidth=0.4, label=f"{role} cells",
            )  # fmt: skip
            mark(dots, f"cells-{role}", run=[str(r.get("run", "")) for r in cells],
                 predicted_seconds=own[0], seconds=own[1])  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=line, ylim=line)
    for axis in (axes.xaxis, axes.yaxis):
        log_ticks(axis, "plain")
    axes.set_xlabel(axis_label("predicted_seconds"))
    axes.set_ylabel(axis_label("seconds"))
    axes.legend(loc="upper left", borderaxespad=0.1)
    near = int((np.abs(measured / predicted - 1) <= WITHIN).sum())
    note(
        axes,
        f"{near} of {len(predicted)} cells within {100 * WITHIN:.0f} %\n"
        f"all together: measured {measured.sum() / predicted.sum():.2f} × predicted{said}",
        x=0.98, ha="right",
    )  # fmt: skip
    return figure
