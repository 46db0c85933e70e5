"""When does repetition do harm? Held-out and training loss against epochs, and the gap between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.further.overfitting import Repetition
from scaling.plot.fitted import d_kind, loss_kind
from scaling.plot.levels import levels
from scaling.plot.style import (
    DASHED,
    INK,
    WIDE,
    canvas,
    end_labels,
    law_line,
    ramp,
    styled,
)
from scaling.plot.width import across
from scaling.plot.words import SYMBOLS, loss_label, quantity
from scaling.table import source_of
from scaling.units import unit_of_d

_SIZES = 3  # panels side by side
_BEYOND = 1.3  # how many times the longest repetition the law is drawn to


@styled
def overfitting(
    table: pd.DataFrame, fit: Fit, gap: Fit | None = None, *, ax: Sequence[Axes] | None = None
) -> Figure:
    """Up to three sizes side by side: losses above, the gap of held-out over training loss below.

    table: the fit's table, rows that it did not see included: those are drawn hollow, and the law
    is dashed beyond the epochs that it saw. Seeds are averaged. gap: the fit of the gap, as L, of a
    table that has `train_loss`; without it there are losses only. A star is the law's turn, its bar
    the 90 % interval.
    """
    rows = _repeated(table, fit)
    sizes = levels(rows["N"], rows["D"], tolerance=0.02, least=2, most=_SIZES)
    amounts = sorted(rows["D_unique"].unique())
    colours = dict(zip(amounts, ramp(len(amounts)), strict=True))
    if not sizes:
        raise InputError(f"{source_of(table)}: no size was trained for two lengths")
    count = len(sizes)
    lines, height = (1, 2.9) if gap is None else (2, 4.6)
    figure, axes = canvas(ax, count, rows=lines, width=WIDE, height=height, grid=True)
    above, below = axes[:count], axes[count:]
    asked = Repetition(fit)
    limit = float(rows["epochs"].max()) * _BEYOND
    for panel, size in zip(above, sizes, strict=True):
        own = rows.iloc[size.rows]
        ends = [
            _losses(panel, asked, own[own["D_unique"] == unique], colours[unique], limit)
            for unique in sorted(own["D_unique"].unique())
        ]
        symbol = SYMBOLS.get(fit.n_column, fit.n_column).strip("$")
        panel.set_title(f"${symbol}$ = {quantity(size.value)}")
        panel.set_xlim(0.9, limit)
        if panel is above[-1]:
            named = [(y, quantity(unique), colours[unique]) for y, unique in ends]
    told = [name for name in ("loss", "train_loss") if name in rows]
    _share_y(above, 0.0, 1.2 * float(rows[told].max().max()))  # laws and bands may leave the panel
    for panel in above:
        _axes(panel, limit, last=gap is None)
    above[0].set_ylabel(loss_label(loss_kind(fit), "Loss"))
    end_labels(above[-1], named, title=f"unique {unit_of_d(d_kind(fit))}")
    _legend(figure, "train_loss" in rows, bool((~rows["fitted"]).any()))
    if gap is not None:
        for panel, size in zip(below, sizes, strict=True):
            own = rows.iloc[size.rows]
            for unique, part in own.groupby("D_unique"):
                _points(panel, part.assign(loss=part["loss"] - part["train_loss"]), colours[unique])
                _law(panel, Repetition(gap), part, colours[unique], limit)
            panel.set_xlim(0.9, limit)
        _share_y(below)
        for panel in below:
            _axes(panel, limit, last=True)
        below[0].set_ylabel("Gap: held out \N{MINUS SIGN} training")
    return figure


def _repeated(table: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """Runs of at least one epoch on data that some run repeats: a row each N, D_unique and D."""
    if "D_unique" not in table.columns:
        raise InputError(f"{source_of(table)}: no column D_unique: this figure needs repeated data")
    if "status" in table.columns:
        table = table[table["status"] == "finished"]
    table = table.assign(N=table[fit.n_column], epochs=table["D"] / table["D_unique"])
    most = table.groupby("D_unique")["epochs"].transform("max")
    table = table[(table["epochs"] > 0.99) & (most > 1.01)]
    if table.empty:
        raise InputError(
            f"{source_of(table)}: no run repeats its data (D is nowhere above D_unique)"
        )
    seen = set(zip(*(fit.points[name] for name in ("N", "D", "D_unique")), strict=True))
    keys = zip(table["N"], table["D"], table["D_unique"], strict=True)
    table = table.assign(fitted=[key in seen for key in keys])
    told = [name for name in ("loss", "train_loss") if name in table.columns]
    means = table.groupby(["N", "D_unique", "D"], as_index=False)[
        ["epochs", *told, "fitted"]
    ].mean()
    return means.assign(fitted=means["fitted"] > 0)


def _losses(
    panel: Axes, asked: Repetition, own: pd.DataFrame, colour: Any, limit: float
) -> tuple[float, float]:
    """One training set's points and law; the height of its longest run, and the set's size."""
    N, unique = float(own["N"].iloc[0]), float(own["D_unique"].iloc[0])
    _law(panel, asked, own, colour, limit)
    _points(panel, own, colour)
    if "train_loss" in own:
        panel.plot(
            own["epochs"], own["train_loss"], ":", color=colour, linewidth=0.9, marker="v",
            markersize=2.6, zorder=3,
        )  # fmt: skip
    found = asked.epochs(N, unique)
    if np.isfinite(found.best.point) and 1 < found.best.point < limit:
        low, high = max(found.best.q05, 1.0), min(found.best.q95, limit)
        y = found.best_loss.point
        panel.plot([low, high], [y, y], color=INK, linewidth=0.8, zorder=5)
        panel.plot([found.best.point], [y], "*", color=INK, markersize=6.5, zorder=6,
                   markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    return float(own["loss"].iloc[-1]), unique


def _law(panel: Axes, asked: Repetition, own: pd.DataFrame, colour: Any, limit: float) -> None:
    """A law against epochs, dashed beyond those of the rows fitted."""
    N, unique = float(own["N"].iloc[0]), float(own["D_unique"].iloc[0])
    epochs = np.geomspace(max(1.0, 0.99 * own["epochs"].min()), limit, 160)
    loss = asked.loss(N, epochs * unique, unique)
    longest = own.loc[own["fitted"], "epochs"].max() if own["fitted"].any() else 0.0
    low, high = np.quantile(loss, [0.05, 0.95], axis=0)  # the estimate itself without draws
    law_line(
        panel, epochs, loss[0], epochs <= 1.02 * longest, colour=colour,
        name=f"unique-{unique:.4g}", band=(low, high),
    )  # fmt: skip


def _points(panel: Axes, own: pd.DataFrame, colour: Any) -> None:
    """Rows that were fitted, full; others, hollow."""
    full, hollow = own[own["fitted"]], own[~own["fitted"]]
    style = {"marker": "o", "linestyle": "", "markersize": 4.2, "color": colour, "zorder": 4}
    panel.plot(full["epochs"], full["loss"], **style, markeredgecolor="white", markeredgewidth=0.5)
    panel.plot(
        hollow["epochs"], hollow["loss"], **style, markerfacecolor="white", markeredgewidth=0.9
    )


def _legend(figure: Figure, training: bool, beyond: bool) -> None:
    white = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    entries: list[tuple[str, dict[str, Any]]] = [
        ("held-out loss, law with 90 % band", {"marker": "o", "linestyle": "-", **white})
    ]
    if beyond:
        hollow = {"marker": "o", "markerfacecolor": "white", "linestyle": DASHED}
        entries.append(("not fitted: forecast", hollow))
    if training:
        entries.append(("training loss", {"marker": "v", "linestyle": ":", "markersize": 2.6}))
    entries.append(("least loss of the law, 90 %", {"marker": "*", "markersize": 6.5, **white}))
    handles = [Line2D([], [], color=INK, linewidth=0.9, **style) for _, style in entries]
    figure.legend(
        handles,
        [name for name, _ in entries],
        loc="outside upper center",
        ncols=across(len(entries)),
    )


def _axes(panel: Axes, limit: float, *, last: bool) -> None:
    panel.set_xscale("log")
    passes = [2.0**i for i in range(int(np.log2(limit)) + 1)]
    panel.xaxis.set_major_locator(FixedLocator(passes))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if last:
        panel.set_xlabel("Epochs $D / D_\\mathrm{unique}$")
    else:
        panel.tick_params(labelbottom=False)


def _share_y(panels: Sequence[Axes], least: float = -np.inf, most: float = np.inf) -> None:
    low = max(min(panel.get_ylim()[0] for panel in panels), least)
    high = min(max(panel.get_ylim()[1] for panel in panels), most)
    for i, panel in enumerate(panels):
        panel.set_ylim(low, high)
        panel.tick_params(labelleft=i == 0)
