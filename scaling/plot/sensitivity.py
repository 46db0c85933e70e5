"""Does trouble at scale show at small scale? Loss against learning rate by size, a panel an
intervention; sensitivity to the rate against size; the largest attention logit against the rate."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from scaling.fit.sensitivity import USUAL, interventions, sensitivities
from scaling.plot.style import (
    GROUPS,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    end_labels,
    note,
    ramp,
    styled,
)
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, named, quantity, table_loss_label

_COLUMNS = 4
_HEIGHT = 2.15  # inches of a row of panels


@styled
def sensitivity(table: pd.DataFrame, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Panels of a sweep of learning rates at several sizes, with interventions or without.

    table: learning_rate, N, loss, seed, and config or a cap; recipe and transfer tell interventions
    apart, attention_logit has a panel where it is there. A diverged run stands at the loss of
    initialisation. Seeds are averaged.
    """
    found = sensitivities(table)
    table = table.assign(intervention=interventions(table))
    names = sorted(found["intervention"].unique(), key=lambda name: (name != USUAL, name))
    logits = "attention_logit" in table and bool(table["attention_logit"].notna().any())
    panels = len(names) + 1 + logits
    columns = min(panels, _COLUMNS)
    rows = ceil(panels / columns)
    figure, axes = canvas(ax, columns, rows=rows, width=WIDE, height=_HEIGHT * rows)
    cap = float(found["cap"].iloc[0])
    low = float(found["best_loss"].min())
    for i, name in enumerate(names):
        _losses(axes[i], table[table["intervention"] == name], cap)
        axes[i].set_title(named(name))
        axes[i].set_ylim(low - 0.06 * (cap - low), cap + 0.1 * (cap - low))
        if i % columns == 0:
            axes[i].set_ylabel(table_loss_label(table))
    if not logits:
        for i, (size, colour) in enumerate(_sizes(table)):
            axes[0].plot([], [], label=quantity(size), **_points(i, colour))
        axes[0].legend(title="$N$", title_fontsize=6.8, handlelength=1.2, loc="center")
    if logits:
        _logits(axes[len(names)], table[table["intervention"] == names[0]])
        axes[len(names)].set_title("Largest logit")
    _by_size(axes[panels - 1], found, names)
    for spare in axes[panels:]:
        spare.set_axis_off()
    return figure


def _sizes(rows: pd.DataFrame) -> list[tuple[float, Any]]:
    sizes = sorted(rows["N"].unique())
    return list(zip(map(float, sizes), ramp(len(sizes)), strict=True))


def _losses(panel: Axes, own: pd.DataFrame, cap: float) -> None:
    for i, (size, colour) in enumerate(_sizes(own)):
        rows = own[own["N"] == size]
        mean = (
            rows["loss"]
            .astype(float)
            .fillna(cap)
            .clip(upper=cap)
            .groupby(rows["learning_rate"])
            .mean()
        )
        x, y = mean.index.to_numpy(float), mean.to_numpy(float)
        panel.plot(x, y, **_points(i, colour))
        lost = rows[~np.isfinite(rows["loss"].astype(float))]["learning_rate"].unique()
        panel.plot(lost, np.full(len(lost), cap), "x", color=colour, markersize=4.5, zorder=5)
    panel.axhline(cap, color=MUTED, linewidth=0.6, linestyle=":")
    panel.set_xscale("log")
    log_ticks(panel.xaxis, "plain")
    panel.set_xlabel(axis_label("learning_rate"))
    count = int((~np.isfinite(own["loss"].astype(float))).sum())
    if count:
        note(panel, f"x: diverged\n({count} of {len(own)} runs)", y=0.86)


def _logits(panel: Axes, own: pd.DataFrame) -> None:
    for i, (size, colour) in enumerate(_sizes(own)):
        rows = own[(own["N"] == size) & np.isfinite(own["loss"].astype(float))]
        largest = rows.groupby("learning_rate")["attention_logit"].max()
        panel.plot(largest.index, largest, label=quantity(size), **_points(i, colour))
    panel.set(xscale="log", yscale="log", ylabel=f"Attention logit, {USUAL}")
    log_ticks(panel.xaxis, "plain")
    log_ticks(panel.yaxis, "power")
    panel.set_xlabel(axis_label("learning_rate"))
    panel.legend(title="$N$", title_fontsize=6.8, handlelength=1.2)


def _by_size(panel: Axes, found: pd.DataFrame, names: Sequence[str]) -> None:
    """Sensitivity against N, a line an intervention; the bars are the range of the seeds."""
    ends = []
    for i, name in enumerate(names):
        colour = GROUPS[i % len(GROUPS)]
        values = found[found["intervention"] == name].groupby("N")["sensitivity"]
        mean, least, most = values.mean(), values.min(), values.max()
        x = mean.index.to_numpy(float)
        panel.plot(x, mean, **_points(i, colour))
        panel.vlines(x, least, most, color=colour, linewidth=0.7)
        ends.append((float(mean.iloc[-1]), named(name), colour))
    panel.set(xscale="log", yscale="log", title="Sensitivity")
    sizes = sorted(found.loc[found["intervention"] == names[0], "N"].unique())
    panel.set_xticks(sizes, [quantity(size) for size in sizes])
    panel.xaxis.set_minor_locator(NullLocator())
    log_ticks(panel.yaxis, "plain")
    panel.set_xlabel(axis_label("N"))
    panel.set_ylabel("Mean loss above the best")
    panel.margins(y=0.15)
    end_labels(panel, ends)


def _points(number: int, colour: Any) -> dict[str, Any]:
    return {
        "marker": MARKERS[number % len(MARKERS)], "color": colour, "linewidth": 1,
        "markeredgecolor": "white", "markeredgewidth": 0.4, "markersize": 4,
    }  # fmt: skip
