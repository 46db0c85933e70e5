"""Training loss along each run, and the held-out loss where it ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.plot.style import MARKERS, WIDE, canvas, end_labels, gid, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, loss_label, quantity

Array = NDArray[np.float64]

_BINS = 70  # of a curve, even in the logarithm of its tokens
_SHOWN = 0.012  # share of the longest run after which curves are drawn: before it is warmup


@styled
def loss_curves(
    table: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
    *,
    N: str = "N",
    ax: Axes | None = None,
) -> Figure:
    """Loss against tokens for every run of `table` (run, N, D, loss) that has a curve (tokens,
    loss) in `curves`.

    N: the size column that names the lines. Raises InputError where no run has a curve.
    """
    shown = table[table["run"].isin(list(curves))]
    if shown.empty:
        raise InputError("no run of the table has a loss curve")
    figure, (axes,) = canvas(ax, width=WIDE, height=3.1)
    sizes = sorted(shown[N].unique())
    first = _SHOWN * float(shown["D"].max())
    ends, lowest, highest = [], np.inf, 0.0
    for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
        group = shown[shown[N] == size].sort_values(["D", "run"])
        for run, loss, tokens in zip(group["run"], group["loss"], group["D"], strict=True):
            x, y = _binned(curves[str(run)], first)
            (line,) = axes.plot(x, y, color=colour, linewidth=0.7, alpha=0.85, zorder=2)
            line.set_gid(gid("curve", run))
            if len(y):
                lowest, highest = min(lowest, float(y.min())), max(highest, float(y.max()))
            if np.isfinite(loss):
                axes.plot(
                    [tokens], [loss], MARKERS[i % len(MARKERS)], color=colour, markersize=4,
                    markeredgecolor="white", markeredgewidth=0.5, zorder=3,
                )  # fmt: skip
                lowest = min(lowest, float(loss))
        best = float(group["loss"].iloc[-1])
        role = " target" if "role" in group and (group["role"] == "target").all() else ""
        ends.append((best, f"{quantity(float(size))}{role}", colour))
    axes.set(xscale="log", yscale="log")
    if np.isfinite(lowest) and highest > 0:
        axes.set_ylim(lowest * 0.97, highest * 1.02)
    axes.set_xlim(first, float(shown["D"].max()) * 1.15)
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "plain")
    kind = str(shown["L_kind"].iloc[0]) if "L_kind" in shown else "nats_per_token"
    axes.set_xlabel("Tokens seen $D$")
    axes.set_ylabel(loss_label(kind, "Loss"))
    end_labels(axes, [e for e in ends if np.isfinite(e[0])], title=SYMBOLS[N])
    note(axes, "lines: training loss, averaged; markers: held-out loss at the end of a run")
    return figure


def _binned(curve: pd.DataFrame, first: float) -> tuple[Array, Array]:
    """Means of the curve in bins even in ln tokens, from `first` tokens on."""
    tokens, loss = curve["tokens"].to_numpy(float), curve["loss"].to_numpy(float)
    keep = (tokens >= first) & np.isfinite(loss) & (loss > 0)
    tokens, loss = tokens[keep], loss[keep]
    if not len(tokens):
        return tokens, loss
    width = np.log(max(tokens[-1] / tokens[0], 1 + 1e-9)) / _BINS
    which = np.unique((np.log(tokens[-1] / tokens) / width).astype(int), return_inverse=True)[1]
    count = np.bincount(which)
    x, y = np.bincount(which, np.log(tokens)) / count, np.bincount(which, loss) / count
    return np.exp(x)[::-1], y[::-1]
