"""Laws compared on one table: how they forecast its larger runs, their weights, what each says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.forecast.rollouts.select import Comparison
from scaling.plot.marks import mark
from scaling.plot.style import (
    DASHED,
    GROUPS,
    INK,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    end_labels,
    gid,
    law_line,
    note,
    styled,
)
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, compute_column, loss_label, named
from scaling.units import UNSTATED

_FAR = 100.0  # times the largest run's compute, up to which the laws fan out
_GRID = 40

AVERAGE = "average"
Looks = dict[str, tuple[str, str]]


@styled
def comparison(
    found: Comparison,
    *,
    kind: str = UNSTATED,
    far: float = _FAR,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Three panels of the laws, best first: the error of their rollouts, their weights in the
    average, and the least loss that each expects at a C, up to `far` times the largest run's.

    A bar on an error is the 90 % interval of how far behind the best law it is, over resampled
    cuts: one that reaches the best law's line can't be told from it. Forecasts carry their own 90 %
    bands, solid inside the data and dashed beyond. kind: the table's L_kind. Raises InputError for
    more laws than can be told apart.
    """
    names = [item.name for item in found.standings]
    if len(names) >= len(GROUPS):
        raise InputError(f"{len(names)} laws; a figure can tell {len(GROUPS) - 1} apart")
    looks = dict(zip(names, zip(GROUPS, MARKERS, strict=True), strict=False))
    # the average is black, which no group then is
    looks = {n: (c if c != INK else GROUPS[-1], m) for n, (c, m) in looks.items()}
    figure, axes = canvas(ax, 3, width=1.1 * WIDE, height=2.9)
    _errors(axes[0], found, looks)
    _weights(axes[1], found, looks)
    _fan(axes[2], found, looks, kind, far)
    return figure


def _errors(axes: Axes, found: Comparison, looks: Looks) -> None:
    """Each law's mean rollout error, and the interval of its distance behind the best one's."""
    best = found.standings[0]
    axes.axvline(best.loss_error, color=MUTED, linewidth=0.7, linestyle=DASHED, zorder=0)
    for y, item in enumerate(found.standings):
        colour, marker = looks[item.name]
        low, high = (best.loss_error + end for end in item.behind[1:])
        axes.plot([low, high], [y, y], color=colour, linewidth=1.2)
        (dot,) = axes.plot([item.loss_error], [y], marker, color=colour, markersize=5,
                           markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        mark(dot, gid("error", item.name), law=item.name, error_pct=item.loss_error,
             behind_q05=item.behind[1], behind_q95=item.behind[2],
             coverage=item.coverage)  # fmt: skip
    _names(axes, found)
    note(axes, "bars: 90 % interval of\nthe gap to the best", x=0.99, y=0.99, ha="right")
    axes.set_xlabel("Error of forecast losses (%)")
    axes.set_title(f"Rollouts, {len(found.rollout.cuts)} cuts")


def _weights(axes: Axes, found: Comparison, looks: Looks) -> None:
    for y, item in enumerate(found.standings):
        colour, marker = looks[item.name]
        axes.plot([0, item.weight], [y, y], color=colour, linewidth=1.2)
        (dot,) = axes.plot([item.weight], [y], marker, color=colour, markersize=5,
                           markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        mark(dot, gid("weight", item.name), law=item.name, weight=item.weight)
    _names(axes, found)
    axes.set_yticklabels([])
    axes.set_xlim(0, 1.05)
    axes.set_xlabel("Weight in the average")
    axes.set_title("Weights")


def _names(axes: Axes, found: Comparison) -> None:
    axes.set_yticks(range(len(found.standings)), [named(item.name) for item in found.standings])
    axes.set_ylim(len(found.standings) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _fan(axes: Axes, found: Comparison, looks: Looks, kind: str, far: float) -> None:
    """The least loss at each C by every law and by their average."""
    average = found.average
    axes.set(xscale="log", yscale="log")
    grid = np.geomspace(average.c_min, far * average.c_max, _GRID)
    inside = grid <= average.c_max * (1 + 1e-9)
    ends = []
    for name, predictor in (*found.predictors.items(), (AVERAGE, average)):
        colour = looks[name][0] if name in looks else INK
        best = predictor.optimum(grid).loss
        law_line(axes, grid, best.point, inside, colour=colour, name=name, band=best.interval())
        ends.append((float(best.point[-1]), f"{named(name)} {best.point[-1]:.3g}", colour))
    runs = found.rollout.rows.drop_duplicates(["C", "N", "D", "loss"]).query("near")
    kept, said = thinned(runs["N"])
    runs = runs.iloc[kept]
    (dots,) = axes.plot(runs["C"], runs["loss"], "o", color=MUTED, markersize=3, zorder=3,
                        markerfacecolor="none", markeredgewidth=0.6)  # fmt: skip
    mark(dots, "forecast-runs", **{name: runs[name].to_numpy() for name in ("N", "D", "C", "loss")})
    note(axes, "\n".join(filter(None, ("rings: the best runs that rollouts forecast", said))))
    axes.axvline(average.c_max, color=MUTED, linewidth=0.6, linestyle=":", zorder=0)
    axes.set_xlim(grid[0], grid[-1])
    axes.set_xlabel(axis_label(compute_column(average.cost.kind)))
    axes.set_ylabel(loss_label(kind))
    axes.set_title("Loss at the best split")
    log_ticks(axes.xaxis, "power")
    log_ticks(axes.yaxis, "plain")
    end_labels(axes, ends)
