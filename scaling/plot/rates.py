"""Does one tuned learning rate serve every width? Loss against rate, with and without transfer."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.fitted import Array
from scaling.plot.style import INK, MARKERS, WIDE, canvas, end_labels, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, table_loss_label

_PANELS = (("mup", "With muP transfer"), ("none", "Without transfer"))


@styled
def rates(table: pd.DataFrame, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Held-out loss against learning rate, a line a width, its optimum starred; two panels.

    table: learning_rate, config (JSON with a width), transfer ("mup" or "none"), loss. Seeds are
    averaged; runs that did not finish are left out and counted.
    """
    needs = [c for c in ("learning_rate", "config", "transfer", "loss") if c not in table.columns]
    if needs:
        raise InputError(f"no column {', '.join(needs)}: this figure needs a learning-rate sweep")
    table = table.assign(width=[json.loads(str(c)).get("width") for c in table["config"]])
    bad = table["status"] != "finished" if "status" in table else table["loss"].isna()
    widths = sorted(table["width"].dropna().unique())
    figure, axes = canvas(ax, 2, width=WIDE, height=2.9, sharey=True)
    named = []
    for panel, (transfer, title) in zip(axes, _PANELS, strict=True):
        ends, best = [], []
        mine = table["transfer"] == transfer
        for i, (width, colour) in enumerate(zip(widths, ramp(len(widths)), strict=True)):
            own = table[mine & ~bad & (table["width"] == width)]
            mean = own.groupby("learning_rate")["loss"].mean().sort_index()
            if mean.empty:
                continue
            x, y = mean.index.to_numpy(float), mean.to_numpy(float)
            panel.plot(
                x, y, marker=MARKERS[i % len(MARKERS)], color=colour, linewidth=1,
                markeredgecolor="white", markeredgewidth=0.5, markersize=4.6,
            )  # fmt: skip
            seeds = own.groupby("learning_rate")["loss"]
            if (seeds.size() > 1).any():
                panel.vlines(x, seeds.min(), seeds.max(), color=colour, linewidth=0.7)
            at, low, inside = _optimum(x, y)
            panel.plot(
                [at], [low], "*", markersize=10, color=colour if inside else "white",
                markeredgecolor=INK if inside else colour, markeredgewidth=0.7, zorder=5,
            )  # fmt: skip
            best.append(at)
            ends.append((float(y[-1]), f"{int(width)}", colour))
        panel.set(xscale="log", yscale="log")
        log_ticks(panel.xaxis, "plain")
        log_ticks(panel.yaxis, "plain")
        panel.set_xlabel(axis_label("learning_rate"))
        panel.set_title(title)
        named.append((panel, ends))
        lost = int((mine & bad).sum())
        told = []
        if best:
            drift = max(best) / min(best)
            told = [f"stars: lowest points of parabolas; they drift {drift:.2g} ×"]
        note(panel, "\n".join([*told, *([f"{lost} runs did not finish"] if lost else [])]))
        panel.margins(y=0.15)
    axes[0].set_ylabel(table_loss_label(table))
    for panel, ends in named:  # last: the panels share an axis, which each may have stretched
        end_labels(panel, ends, title="width")
    return figure


def _optimum(x: Array, y: Array) -> tuple[float, float, bool]:
    """Rate and loss at the lowest point of a parabola in ln x through the best rate and its
    neighbours; the best rate itself, and False, where it is the first or the last."""
    best = int(np.argmin(y))
    if best in (0, len(x) - 1):
        return float(x[best]), float(y[best]), False
    near = slice(best - 1, best + 2)
    a, b, c = np.polyfit(np.log(x[near] / x[best]), y[near], 2)
    at = -b / (2 * a)
    return float(x[best] * np.exp(at)), float(c - b * b / (4 * a)), True
