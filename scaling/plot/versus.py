"""Two recipes against compute: how likely one wins, by how much, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast.decisions.crossing import Crossing
from scaling.forecast.decisions.versus import Versus
from scaling.plot.fitted import Array
from scaling.plot.marks import mark
from scaling.plot.style import (
    DASHED,
    FIT,
    INK,
    MUTED,
    TRUTH,
    WIDE,
    canvas,
    gid,
    law_line,
    note,
    styled,
)
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, loss_label, named
from scaling.units import UNSTATED

Flags = NDArray[np.bool_]

_NEEDS = (1e-9, 1e9)  # of the other's compute: what lies beyond is drawn there, off the axes
_SHOWN = 30.0  # of the other's compute, and its inverse: what the axes show at most
SURE = 0.95  # of the draws, from which two are told apart


@styled
def versus(
    duels: Sequence[Versus],
    crossing: Crossing | None = None,
    *,
    kind: str = UNSTATED,
    column: str = "C",
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Three panels against compute, of one pair at several C: the share of draws in which it wins,
    the difference of losses, and the compute that it takes for the other's loss.

    "It" is the group that leads at the largest C. Solid inside the compute of both groups' runs and
    dashed beyond, with 90 % bands. crossing: theirs, marked with its interval. kind: L_kind;
    column: C or C_6ND. Raises InputError for duels of several pairs, and for fewer than two C.
    """
    duels = sorted((one for one in duels if one.C is not None), key=lambda one: one.C or 0.0)
    pairs = {frozenset((one.ahead, one.behind)) for one in duels}
    if len(pairs) > 1:
        told = "; ".join(" and ".join(sorted(pair)) for pair in sorted(pairs, key=sorted))
        raise InputError(f"several pairs: {told}; this figure shows one")
    if len(duels) < 2:
        raise InputError(f"{len(duels)} values of C; this figure needs two or more")
    name, other = duels[-1].ahead, duels[-1].behind
    C = np.array([one.C for one in duels], dtype=float)
    inside = np.array([max(one.decades.values()) <= 0 for one in duels])
    figure, axes = canvas(ax, 3, width=1.05 * WIDE, height=2.7)
    _chance(axes[0], duels, C, inside, name)
    _difference(axes[1], duels, C, inside, name)
    if crossing is not None:
        beyond = ", open above" if crossing.open_high else ""
        note(axes[1], f"red: where they cross,\n90 % interval{beyond}", x=0.98, ha="right")
    axes[1].set_ylabel(f"{loss_label(kind, 'Loss')}: {named(other)} less {named(name)}")
    _worth(axes[2], duels, C, inside, {name: FIT, other: TRUTH})
    for panel in axes:
        panel.set(xscale="log", xlim=(C[0], C[-1]))
        log_ticks(panel.xaxis, "power")
        panel.set_xlabel(axis_label(column))
        if crossing is not None:
            _crossed(panel, crossing)
    return figure


def _chance(axes: Axes, duels: Sequence[Versus], C: Array, inside: Flags, name: str) -> None:
    chance = np.array([one.chance if one.ahead == name else 1 - one.chance for one in duels])
    axes.axhspan(100 * (1 - SURE), 100 * SURE, color=MUTED, alpha=0.1, linewidth=0)
    law_line(axes, C, 100 * chance, inside, colour=FIT, name="chance")
    (dots,) = axes.plot(C, 100 * chance, "o", color=FIT, markersize=2.2)
    mark(dots, "chances", C=C, chance=chance)
    axes.set_ylim(-2, 102)
    note(axes, f"shaded: not told apart at {100 * SURE:g} %", y=0.9)
    axes.set_ylabel("Chance (% of draws)")
    axes.set_title(f"That {named(name)} wins")


def _difference(axes: Axes, duels: Sequence[Versus], C: Array, inside: Flags, name: str) -> None:
    """The other's loss less that of `name`."""
    told = np.array([
        (one.lower.point, one.lower.q05, one.lower.q95) if one.ahead == name
        else (-one.lower.point, -one.lower.q95, -one.lower.q05)
        for one in duels
    ]).T  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.6)
    law_line(axes, C, told[0], inside, colour=FIT, name="lower", band=(told[1], told[2]))
    (dots,) = axes.plot(C, told[0], "o", color=FIT, markersize=2.2)
    mark(dots, "differences", C=C, lower=told[0], q05=told[1], q95=told[2])
    axes.set_title(f"By how much {named(name)} is lower")


def _worth(
    axes: Axes, duels: Sequence[Versus], C: Array, inside: Flags, colours: Mapping[str, str]
) -> None:
    """The compute that whichever leads needs for the other's loss, as a share of the other's."""
    axes.set_yscale("log")
    for leader, colour in colours.items():
        own = np.array([one.ahead == leader for one in duels])
        if not own.any():
            continue
        needs = np.array([(one.needs.point, one.needs.q05, one.needs.q95) for one in duels]).T
        needs = np.where(own, np.clip(needs, *_NEEDS), np.nan)  # infinite: no compute would do
        law_line(axes, C, needs[0], inside, colour=colour, name=f"needs-{leader}",
                 band=(needs[1], needs[2]))  # fmt: skip
        (dots,) = axes.plot(C[own], needs[0][own], "o", color=colour, markersize=2.2,
                            label=f"{named(leader)} leads")  # fmt: skip
        mark(dots, gid("needs", leader), C=C[own], needs=needs[0][own], q05=needs[1][own],
             q95=needs[2][own])  # fmt: skip
    axes.axhline(1, color=INK, linewidth=0.6)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1 / _SHOWN), min(high, _SHOWN))
    log_ticks(axes.yaxis, "plain")
    axes.legend(loc="lower left", borderaxespad=0.1)
    axes.set_ylabel("Share of the other's compute")
    axes.set_title("What the leader needs")


def _crossed(axes: Axes, crossing: Crossing) -> None:
    """Where the frontiers cross, with its interval."""
    band = axes.axvspan(crossing.q05, crossing.q95, color=TRUTH, alpha=0.12, linewidth=0, zorder=0)
    band.set_gid("band-crossing")
    if crossing.C is not None:
        line = axes.axvline(crossing.C, color=TRUTH, linewidth=0.8, linestyle=DASHED, zorder=0)
        line.set_gid("crossing")
