"""Nominal against observed coverage: whether intervals hold as often as they say, by distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.forecast.rollouts.coverage import LEVELS, Coverage, wilson
from scaling.forecast.rollouts.scores import BINS, LEVEL
from scaling.plot.marks import mark
from scaling.plot.style import (
    DASHED,
    GROUPS,
    INK,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    gid,
    styled,
)
from scaling.plot.width import across
from scaling.plot.words import named

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
    figure.legend(handles, texts, loc="outside upper left", ncols=across(4))
    return figure


def _panel(axes: Axes, own: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    least = int(own["n"].min())
    nominal = np.linspace(0.4, 1.0, 61)
    from scipy.stats import binom  # late: half a second to load

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
        name = f"{named(row['forecaster'])} (n = {row['n']})"
        ends = np.maximum([actual - low, high - actual], 0)
        bars = axes.errorbar(
            x, actual, yerr=ends, fmt=marker, color=colour, markersize=4, markeredgewidth=0.4,
            markeredgecolor="white", elinewidth=0.8, label=name,
        )  # fmt: skip
        mark(
            bars.lines[0], gid("coverage", row["quantity"], row["distance"], row["forecaster"]),
            nominal=np.array(LEVELS), observed=actual / 100, low=low / 100, high=high / 100,
            n=np.full(len(LEVELS), row["n"]),
        )  # fmt: skip
    axes.set(xlim=(42, 100), ylim=(-4, 103))
    axes.set_xticks([100 * level for level in LEVELS])
    axes.set_yticks([0, 25, 50, 75, 100])


@styled
def coverage_by_distance(lines: pd.DataFrame, *, ax: Sequence[Axes] | None = None) -> Figure:
    """How often nominal 90 % intervals held a table's own larger runs, by distance beyond the cut:
    of losses and of N_opt. Filled: intervals calibrated by rollouts; hollow: the draws' own.

    lines: `forecast.coverage.on_table`'s; with a column `table` where there are several. Bars are
    Wilson's 95 % intervals of as many independent answers: rows of one cut err together, so that
    the truth is less sure. Raises InputError for more than can be told apart.
    """
    several = "table" in lines and lines["table"].nunique() > 1
    called = lines["table"] + ": " + lines["forecaster"] if several else lines["forecaster"]
    names = list(dict.fromkeys(called))
    if len(names) > len(GROUPS):
        raise InputError(f"{len(names)} forecasters; a figure can tell {len(GROUPS)} apart")
    figure, axes = canvas(ax, 2, width=WIDE, height=2.8, sharey=True)
    bins = [name for name in BINS if name in set(lines["bin"].astype(str))]
    panels = (("loss", "runs", "Losses"), ("size", "budgets", r"$N_\mathrm{opt}$"))
    for panel, (what, count, title) in zip(axes, panels, strict=True):
        for i, name in enumerate(names):
            own = lines[called == name]
            aside = 0.16 * (i - (len(names) - 1) / 2)
            _held(panel, own, bins, what, count, name, GROUPS[i], MARKERS[i], aside)
        panel.axhline(100 * LEVEL, color=MUTED, linestyle=DASHED, linewidth=0.8)
        panel.set_xticks(range(len(bins)), [name.replace("x", "$\\times$") for name in bins])
        panel.set(xlim=(-0.5, len(bins) - 0.5), ylim=(-4, 103), title=title)
        panel.set_xlabel("Compute beyond the cut")
    axes[0].set_ylabel("Held by nominal 90 % intervals (%)")
    if axes[0].get_legend_handles_labels()[0]:
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=across(4)
        )
    return figure


def _held(
    axes: Axes,
    own: pd.DataFrame,
    bins: Sequence[str],
    what: str,
    count: str,
    name: str,
    colour: str,
    marker: str,
    aside: float,
) -> None:
    """Calibrated and bare coverage of one forecaster, each bin of distances a marker."""
    for column, filled, shift in (
        (f"{what}_coverage", True, 0.0),
        (f"{what}_bare_coverage", False, 0.07),
    ):
        known = own[own[column].notna() & (own[count] > 0)]
        if known.empty:
            continue
        share, n = known[column].to_numpy(float), known[count].to_numpy(float)
        ends = np.array([wilson(round(s * k), round(k)) for s, k in zip(share, n, strict=True)]).T
        x = np.array([bins.index(str(at)) for at in known["bin"]]) + aside + shift
        bars = axes.errorbar(
            x, 100 * share, yerr=100 * np.maximum([share - ends[0], ends[1] - share], 0),
            fmt=marker, color=colour, markersize=4.2, elinewidth=0.8, markeredgewidth=0.8,
            markerfacecolor=colour if filled else "white", label=named(name) if filled else None,
        )  # fmt: skip
        mark(
            bars.lines[0], gid(column, name), distance=known["bin"].astype(str).to_numpy(),
            observed=share, low=ends[0], high=ends[1], n=n,
        )  # fmt: skip
