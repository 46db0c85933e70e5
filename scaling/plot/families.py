"""Model families side by side: loss (and error) against N, D and C, and where frontiers cross."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.decisions.crossing import Crossing, SideBySide
from scaling.plot.fitted import Array, compute_name, d_kind, loss_kind, rows
from scaling.plot.levels import levels
from scaling.plot.marks import mark
from scaling.plot.style import (
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
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, named, quantity

_BEYOND = 4.0  # how far past its runs a slice is drawn
_FAR = 30.0  # how far past the largest run frontiers are drawn
_GRID = 60
_LETTERS = 16  # of a name beside a line: three panels leave room for no more
_SAME = 0.05  # sizes, or lengths, so near are one


@styled
def families(views: Sequence[SideBySide], *, ax: Sequence[Axes] | None = None) -> Figure:
    """A row for each view (loss, top-1 error): against N at each family's largest D, against D at
    its largest N, and against C.

    Lines are each family's own law with its 90 % band, solid inside its runs and dashed beyond; on
    the right its compute-optimal frontier. Numbered rings are where frontiers cross, with 90 %
    intervals. Raises InputError for no view and for more families than can be told apart.
    """
    if not views:
        raise InputError("no families to draw")
    names = list(dict.fromkeys(name for view in views for name in view.groups.names))
    if len(names) > len(GROUPS):
        raise InputError(f"{len(names)} groups; a figure can tell {len(GROUPS)} apart")
    looks = dict(zip(names, zip(GROUPS, MARKERS, strict=True), strict=False))
    figure, axes = canvas(ax, 3, rows=len(views), width=1.25 * WIDE, height=2.55 * len(views) + 0.2)
    for number, view in enumerate(views):
        own = axes[3 * number : 3 * number + 3]
        ends = [
            _slice(own[0], view, "N", looks),
            _slice(own[1], view, "D", looks),
            _frontiers(own[2], view, looks),
        ]
        first = next(iter(view.groups.fits.values()))
        own[0].set_ylabel(loss_label(loss_kind(first)))
        low, high = (
            pick(panel.get_ylim()[i] for panel in own) for i, pick in enumerate((min, max))
        )
        columns = (first.n_column, "D", compute_name(first))
        for panel, column, told in zip(own, columns, ends, strict=True):
            panel.set_ylim(low, high)
            panel.set_xlabel(axis_label(column, d_kind(first)))
            log_ticks(panel.xaxis, "power" if column.startswith("C") else "quantity")
            log_ticks(panel.yaxis, "plain")
            end_labels(panel, told)
    return figure


_DOTS: dict[str, Any] = {"markersize": 4.2, "markeredgecolor": "white", "markeredgewidth": 0.4,
                         "zorder": 4}  # fmt: skip
Looks = dict[str, tuple[str, str]]


def _slice(axes: Axes, view: SideBySide, name: str, looks: Looks) -> list[tuple[float, str, str]]:
    """Loss against `name` at each family's largest value of the other, and the lines' ends."""
    other = "D" if name == "N" else "N"
    fits = view.groups.fits
    axes.set(xscale="log", yscale="log")
    far = _BEYOND * max(fitted.points[name].max() for fitted in fits.values())
    ends, held = [], []
    for group, fitted in fits.items():
        colour, marker = looks[group]
        x, y = fitted.points[name], fitted.points["loss"]
        found = levels(fitted.points[other], x, tolerance=_SAME, least=2)
        if not found:
            continue
        level = found[-1]
        held.append(level.value)
        grid = np.geomspace(x[level.rows].min(), far, _GRID)
        at = np.full_like(grid, level.value)
        law = fitted.loss(grid, at) if name == "N" else fitted.loss(at, grid)
        inside = grid <= x[level.rows].max() * 1.02
        law_line(axes, grid, law.point, inside, colour=colour, name=f"{group}-{name}",
                 band=law.interval())  # fmt: skip
        (dots,) = axes.plot(x[level.rows], y[level.rows], marker, color=colour, **_DOTS)
        mark(dots, gid("runs", name, group), N=fitted.points["N"][level.rows],
             D=fitted.points["D"][level.rows], loss=y[level.rows])  # fmt: skip
        ends.append((float(law.point[-1]), _short(group), colour))
    symbol = SYMBOLS[next(iter(fits.values())).n_column if other == "N" else "D"]
    if not held:
        note(axes, f"no {other} is shared by runs of different {name}")
    elif max(held) <= min(held) * (1 + _SAME):
        axes.set_title(f"At {symbol} = {quantity(held[0])}")
    else:
        axes.set_title(f"At each one's largest {symbol}")
    axes.set_xlim(right=far)
    return ends


def _frontiers(axes: Axes, view: SideBySide, looks: Looks) -> list[tuple[float, str, str]]:
    """Every run against its C, the frontiers, and their crossings."""
    fits = view.groups.fits
    axes.set(xscale="log", yscale="log")
    far = _FAR * max(fitted.c_max for fitted in fits.values())
    ends = []
    for group, fitted in fits.items():
        colour, marker = looks[group]
        N, D, C, loss = rows(fitted)
        grid = np.geomspace(fitted.c_min, far, _GRID)
        best = fitted.optimum(grid)
        law_line(axes, grid, best.loss.point, _seen(fitted, grid, best.N.point, best.D.point),
                 colour=colour, name=f"{group}-frontier", band=best.loss.interval())  # fmt: skip
        faint = {**_DOTS, "alpha": 0.35, "markersize": 2.6, "zorder": 1.5}
        (dots,) = axes.plot(C, loss, marker, color=colour, **faint)
        mark(dots, gid("runs", "C", group), N=N, D=D, C=C, loss=loss)
        ends.append((float(best.loss.point[-1]), _short(group), colour))
    axes.set_title("At the best split of $C$")
    axes.set_xlim(right=far)
    _rings(axes, view.crossings, far)
    return ends


def _seen(fitted: Fit, C: Array, N: Array, D: Array) -> Array:
    """Where a frontier lies inside the runs: their compute, sizes and lengths."""
    inside = fitted.c_max * (1 + 1e-9) >= C
    for name, value in (("N", N), ("D", D)):
        own = fitted.points[name]
        inside &= (value >= own.min() / 1.02) & (value <= own.max() * 1.02)
    return np.asarray(inside)


def _rings(axes: Axes, crossings: Sequence[Crossing], far: float) -> None:
    """The crossings that can be told, numbered in order of C, with intervals and a key; those
    beyond the axes are left out."""
    shown = [item for item in crossings if item.told_apart and item.C is not None]
    shown = sorted((item for item in shown if _at(item) <= far), key=_at)
    for number, item in enumerate(shown, 1):
        loss = item.sides[item.then].loss.point
        axes.plot([item.q05, min(item.q95, far)], [loss, loss], color=MUTED, linewidth=0.7,
                  zorder=5)  # fmt: skip
        (ring,) = axes.plot([_at(item)], [loss], "o", color=INK, markerfacecolor="white",
                            markersize=7, markeredgewidth=0.8, zorder=6)  # fmt: skip
        mark(ring, gid("crossing", item.first, item.then), C=[_at(item)], q05=[item.q05],
             q95=[item.q95])  # fmt: skip
        axes.annotate(str(number), (_at(item), loss), fontsize=5.2, color=INK, ha="center",
                      va="center_baseline", zorder=7)  # fmt: skip
    # below the frontiers nothing lies at little compute
    note(
        axes,
        "\n".join(f"{i}  {_short(x.then)} below {_short(x.first)}" for i, x in enumerate(shown, 1)),
    )


def _short(name: str) -> str:
    return named(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…")


def _at(crossing: Crossing) -> float:
    assert crossing.C is not None  # only such are drawn
    return crossing.C
