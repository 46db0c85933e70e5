"""Nominal against observed coverage: whether intervals hold as often as they say, by distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from scaling.errors import InputError
from scaling.forecast.coverage import LEVELS, Coverage
from scaling.plot.marks import mark
from scaling.plot.style import (
    GROUPS,
    INK,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    gid,
    styled,
)

_ASIDE = 0.011  # of nominal coverage: forecasters stand beside each other
_NAMES = {"loss": "loss of a new run", "N_opt": r"$N_\mathrm{opt}$"}


@styled
def coverage(found: Coverage, *, ax: Sequence[Axes] | None = None) -> Figure:
    """A panel for each quantity (row) and distance beyond the runs (column): how often the central
    50, 80, 90 and 95 % intervals of each forecaster held the truth, with Wilson's 95 % interval.

    On the diagonal intervals hold as often as they say; below it they are too narrow. Shaded: what
    chance alone allows right intervals in 95 % of studies of as many tables. Raises InputError for
    more forecasters than can be told apart.
    """
    table = found.by()
    names, quantities, distances = (
        list(dict.fromkeys(table[key])) for key in ("forecaster", "quantity", "distance")
    )
    if len(names) > len(GROUPS):
        raise InputError(f"{len(names)} forecasters; a figure can tell {len(GROUPS)} apart")
    figure, axes = canvas(ax, len(distances), rows=len(quantities), width=WIDE,
                          height=0.5 + 2.15 * len(quantities))  # fmt: skip
    looks = dict(zip(names, zip(GROUPS, MARKERS, strict=True), strict=False))
    for number, panel in enumerate(axes):
        quantity, distance = (
            quantities[number // len(distances)],
            distances[number % len(distances)],
        )
        own = table[(table["quantity"] == quantity) & (table["distance"] == distance)]
        _panel(panel, own, looks)
        far = "inside the runs" if distance == "inside" else f"at {distance[:-1]}$\\times$ their C"
        panel.set_title(f"{_NAMES[quantity]}, {far}", fontsize=7, fontweight="normal")
        panel.set(xlabel="Nominal coverage (%)", ylabel="Observed coverage (%)")
        panel.label_outer()
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper left", ncols=4)
    return figure


def _panel(axes: Axes, own: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    least = int(own["n"].min())
    nominal = np.linspace(0.4, 1.0, 61)
    low, high = (binom.ppf(tail, least, nominal) / least for tail in (0.025, 0.975))
    chance = axes.fill_between(100 * nominal, 100 * low, 100 * high, color=MUTED, alpha=0.16,
                               linewidth=0, label="right intervals, up to chance")  # fmt: skip
    chance.set_gid("chance")
    axes.plot([0, 100], [0, 100], color=INK, linewidth=0.6)
    for i, row in enumerate(own.to_dict("records")):
        colour, marker = looks[row["forecaster"]]
        actual, low, high = (
            100 * np.array([row[f"{name} {level}"] for level in LEVELS])
            for name in ("actual", "low", "high")
        )
        x = 100 * (np.array(LEVELS) + _ASIDE * (i - (len(own) - 1) / 2))
        ends = np.maximum([actual - low, high - actual], 0)
        bars = axes.errorbar(
            x, actual, yerr=ends, fmt=marker, color=colour, markersize=4, markeredgewidth=0.4,
            markeredgecolor="white", elinewidth=0.8, label=f"{row['forecaster']} (n = {row['n']})",
        )  # fmt: skip
        mark(
            bars.lines[0], gid("coverage", row["quantity"], row["distance"], row["forecaster"]),
            nominal=np.array(LEVELS), observed=actual / 100, low=low / 100, high=high / 100,
            n=np.full(len(LEVELS), row["n"]),
        )  # fmt: skip
    axes.set(xlim=(42, 100), ylim=(-4, 103))
    axes.set_xticks([100 * level for level in LEVELS])
    axes.set_yticks([0, 25, 50, 75, 100])
