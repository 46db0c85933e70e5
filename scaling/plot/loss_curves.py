"""Loss against what was seen (tokens, images, pairs) for every run: trunks, the cooldowns that
leave them, held-out losses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.plot.marks import mark
from scaling.plot.style import INK, MARKERS, WIDE, canvas, end_labels, gid, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, quantity, table_loss_label
from scaling.table import conventions
from scaling.units import UNITS_OF_D

Array = NDArray[np.float64]

_MOST_SIZES, _MOST_LENGTHS = 12, 8  # whose curves are drawn of more than these can be told apart
_RULE = f": of up to {_MOST_SIZES} sizes {_MOST_LENGTHS} lengths of one seed, and every target"

_TRUNK_BINS = 16  # a decade of D: training loss is noisy, so a point is a bin's mean
_COOLDOWN_BINS = 6
_SHOWN = 0.01  # share of the longest run after which curves are drawn: before it is warmup
_COOLDOWN: tuple[float, tuple[float, float]] = (0, (1.6, 0.9))


@styled
def loss_curves(
    table: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
    *,
    N: str = "N",
    ax: Axes | None = None,
) -> Figure:
    """Averaged training loss of each run, and its held-out loss as a marker at its end.

    table: run, N, D, loss and, where there are any, trunk and role. curves: by run, frames with
    loss, learning_rate and what was seen: tokens, images or pairs. Of the runs of one trunk the
    longest draws it, the others only their cooldown: where the rate falls faster than 1/seen to the
    end. Of very many runs those that `drawn` chooses. N: the size column that names the lines.
    Raises InputError where no run has a curve.
    """
    if "run" not in table:
        raise InputError("the table names no runs, so no curve is any row's")
    shown = drawn(table[table["run"].isin(list(curves))], N)
    chosen = len(drawn(table, N)) < len(table)  # not only those that have no curve are left out
    if shown.empty:
        raise InputError("no run of the table has a loss curve")
    figure, (axes,) = canvas(ax, width=WIDE, height=3.2)
    first = _SHOWN * float(shown["D"].max())
    sizes = sorted(shown[N].unique())
    ends = []
    for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
        group = shown[shown[N] == size].sort_values(["D", "run"], ascending=False)
        trunks = group["trunk"] if "trunk" in group else group["run"]
        for run, longest in zip(group["run"], ~trunks.duplicated(), strict=True):
            _draw(axes, str(run), curves[str(run)], first, colour, with_trunk=bool(longest))
        target = "role" in group and bool((group["role"] == "target").all())
        held_out = group[np.isfinite(group["loss"])]
        (dots,) = axes.plot(
            held_out["D"], held_out["loss"], "*" if target else MARKERS[i % len(MARKERS)],
            color=colour, markersize=9 if target else 4.2, markeredgecolor="white",
            markeredgewidth=0.5, zorder=4,
        )  # fmt: skip
        mark(dots, gid("held_out", size), run=held_out["run"], loss=held_out["loss"])
        if len(held_out):
            name = quantity(float(size)) + (" target" if target else "")
            ends.append((float(held_out["loss"].iloc[0]), name, colour))
    axes.set(xscale="log", yscale="log", xlim=(first, float(shown["D"].max()) * 1.15))
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    axes.set_xlabel(axis_label("seen", conventions(shown)["D_kind"]))
    axes.set_ylabel(table_loss_label(shown, "Loss"))
    end_labels(axes, ends, title=SYMBOLS[N])
    key = [
        Line2D([], [], color=INK, linewidth=0.8, label="training loss, averaged"),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=_COOLDOWN, label="cooldown to a budget"),
        Line2D([], [], color=INK, marker="o", linestyle="", label="held-out loss of the run"),
    ]
    if len(shown) < len(table):
        note(axes, f"{len(shown):,} of {len(table):,} runs drawn{_RULE * chosen}")
    axes.legend(handles=key, loc="upper right", borderaxespad=0.1)
    return figure


def drawn(table: pd.DataFrame, N: str = "N") -> pd.DataFrame:
    """The runs whose curves are drawn: all of up to 96 pilots, else those of 12 sizes, of each of 8
    lengths, an even choice with the least and the largest, and of one seed; and every target."""
    target = table["role"] == "target" if "role" in table else pd.Series(False, index=table.index)
    pilots = table[~target]
    if len(pilots) <= _MOST_SIZES * _MOST_LENGTHS:
        return table
    sizes = _even(pilots[N].unique(), _MOST_SIZES)
    kept = [
        own[own["D"].isin(_even(own["D"].unique(), _MOST_LENGTHS))].drop_duplicates("D")
        for _, own in pilots[pilots[N].isin(sizes)].groupby(N)
    ]
    return table.loc[pd.concat([*kept, table[target]]).index]


def _even(values: Array, most: int) -> Array:
    """At most so many of the values, even in their order, the least and the largest among them."""
    kept = np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))
    return np.asarray(np.sort(values)[kept])


def _draw(
    axes: Axes, run: str, curve: pd.DataFrame, first: float, colour: object, *, with_trunk: bool
) -> None:
    """One run's cooldown and, if it draws it, the trunk that leads there."""
    column = next((name for name in UNITS_OF_D if name in curve), None)
    if column is None:
        raise InputError(f"the curve of run {run} has no column {', '.join(UNITS_OF_D)}")
    curve = curve[(curve[column] >= first) & np.isfinite(curve["loss"]) & (curve["loss"] > 0)]
    seen, loss = curve[column].to_numpy(float), curve["loss"].to_numpy(float)
    if len(seen) < 2:
        return
    leaves = _cooldown_start(seen, curve["learning_rate"].to_numpy(float))
    trunk_end = (float("nan"), float("nan"))
    if leaves > 0:
        count = max(2, int(np.log10(seen[leaves] / seen[0]) * _TRUNK_BINS))
        edges = np.geomspace(seen[0], seen[leaves], count + 1)
        x, y = _means(seen[: leaves + 1], loss[: leaves + 1], edges)
        trunk_end = (x[-1], y[-1])
        if with_trunk:
            (line,) = axes.plot(x, y, color=colour, linewidth=0.8, zorder=2)
            mark(line, gid("trunk", run), run=run)
    if leaves < len(seen) - 1:
        edges = np.linspace(seen[leaves], seen[-1], _COOLDOWN_BINS + 1)
        x, y = _means(seen[leaves:], loss[leaves:], edges)
        (line,) = axes.plot(
            np.append(trunk_end[0], x), np.append(trunk_end[1], y), color=colour,
            linewidth=0.8, linestyle=_COOLDOWN, zorder=2,
        )  # fmt: skip
        mark(line, gid("cooldown", run), run=run)


def _cooldown_start(seen: Array, rate: Array) -> int:
    """Index of the last step before the learning rate falls faster than 1/seen to the end."""
    slope = np.diff(np.log(np.maximum(rate, 1e-300))) / np.diff(np.log(seen))
    slow = np.flatnonzero(slope >= -1.0)
    return int(slow[-1]) + 1 if len(slow) else 0


def _means(seen: Array, loss: Array, edges: Array) -> tuple[Array, Array]:
    """Mean of what was seen, and mean loss, of each bin that holds a step."""
    where = np.clip(np.searchsorted(edges, seen, side="right") - 1, 0, len(edges) - 2)
    which = np.unique(where, return_inverse=True)[1]
    count = np.bincount(which)
    return np.bincount(which, seen) / count, np.bincount(which, loss) / count
