"""The runs that a design chose: where they lie, and how the target is expected to narrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from scaling.forecast.designs.design import Candidate, Design, Width, columns
from scaling.forecast.designs.narrowing import Narrowing
from scaling.plot.marks import mark
from scaling.plot.style import (
    DASHED,
    FIT,
    MUTED,
    TRUTH,
    WIDE,
    canvas,
    end_labels,
    gid,
    note,
    ramp,
    styled,
)
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.width import across
from scaling.plot.words import SYMBOLS, axis_label, power
from scaling.units import UNSTATED

_GOALS = {"loss": "Loss at the optimum", "n_opt": r"$N_\mathrm{opt}$", "regret": "Regret"}
_WIDTHS = {"loss": "90 % interval (% of the loss)", "n_opt": "90 % interval (a factor)",
           "regret": "Expected regret (% of the loss)"}  # fmt: skip


@styled
def design(
    found: Design,
    candidates: Sequence[Candidate],
    ours: Narrowing,
    grid: Narrowing | None = None,
    *,
    known: tuple[ArrayLike, ArrayLike] | None = None,
    N: str = "N",
    d_kind: str = UNSTATED,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Left: candidates, runs known (N and D), and the chosen by size and length, the larger the
    marker the more it narrows the goal, the first dark. Right: the width expected at the target as
    FLOPs are spent, beside that of a geometric grid of the same cost.

    ours, grid: as `narrowings` gives them.
    """
    figure, (left, right) = canvas(ax, 2, width=WIDE, height=3.2)
    _places(left, found, candidates, known)
    left.set_xlabel(axis_label(N))
    left.set_ylabel(axis_label("D", d_kind))
    left.set_title(f"{len(found.runs)} of {len(candidates)} candidates")
    _narrowing(right, found, ours, grid)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=across(3))
    return figure


def _places(
    axes: Axes,
    found: Design,
    candidates: Sequence[Candidate],
    known: tuple[ArrayLike, ArrayLike] | None,
) -> None:
    n, d, _ = columns(candidates)
    (dots,) = axes.plot(n, d, ".", color=MUTED, markersize=1.6, alpha=0.6, label="candidates")
    dots.set_gid("candidates")
    if known is not None:
        kept, said = thinned(known[0])
        (rings,) = axes.plot(
            *(np.asarray(x)[kept] for x in known), "o", color=MUTED, markersize=3.4,
            markerfacecolor="none", markeredgewidth=0.6, label="runs known",
        )  # fmt: skip
        rings.set_gid("known")
        note(axes, said)
    n, d, c = columns(found.runs)
    share = np.array(found.gains)
    chosen = axes.scatter(
        n, d, s=14 + 90 * np.sqrt(share / share.max()), c=ramp(len(n)), edgecolors="white",
        linewidths=0.5, zorder=4, label="chosen: dark first, large tells most",
    )  # fmt: skip
    mark(chosen, "chosen", run=[run.key for run in found.runs], order=np.arange(1, len(n) + 1),
         N=n, D=d, C=c, gain=share)  # fmt: skip
    axes.set(xscale="log", yscale="log")
    log_ticks(axes.xaxis, "quantity")
    log_ticks(axes.yaxis, "quantity")


def _narrowing(axes: Axes, found: Design, ours: Narrowing, grid: Narrowing | None) -> None:
    now = _shown(found.width_before, found.goal)
    axes.axhline(now, color=MUTED, linewidth=0.8, linestyle=DASHED, gid="now")
    ends = [(now, f"now: {now:.3g}", MUTED)]
    for name, course, colour in (("design", ours, FIT), ("geometric grid", grid, TRUTH)):
        if course is None:
            note(axes, "no geometric grid costs as little")
            continue
        spent = np.array(course.spent)
        width = np.array([_shown(one, found.goal) for one in course.widths])
        (line,) = axes.step(spent, width, where="post", color=colour, linewidth=1.2)
        line.set_gid(gid("course", name))
        (dots,) = axes.plot(spent[1:], width[1:], "o", color=colour, markersize=2.6)
        mark(dots, gid("widths", name), spent=spent[1:], width=width[1:])
        ends.append((float(width[-1]), f"{name}: {width[-1]:.3g}", colour))
    axes.set_ylim(bottom=1 if found.goal == "n_opt" else 0)
    first = min(course.spent[1] for course in (ours, grid) if course is not None)
    axes.set(xscale="log", xlim=(first / 1.3, found.spent * 1.05))
    log_ticks(axes.xaxis, "power")
    axes.set_xlabel("FLOPs spent on further runs")
    axes.set_ylabel(_WIDTHS[found.goal])
    axes.set_title(f"{_GOALS[found.goal]} at {SYMBOLS['C']} = {power(found.target)}, as expected")
    end_labels(axes, ends)


def _shown(width: Width, goal: str) -> float:
    """A width as people read it: in per cent, of N_opt as a factor."""
    value = float(getattr(width, goal))
    return float(np.exp(value)) if goal == "n_opt" else 100 * value
