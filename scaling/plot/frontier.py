"""The compute-optimal frontier: the loss and the size that a budget buys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.fit.prediction import Draws
from scaling.plot.fitted import Array, Fitted, compute_name, d_kind, loss_kind, rows
from scaling.plot.marks import mark
from scaling.plot.proof import Outcome
from scaling.plot.style import (
    DASHED,
    FIT,
    MUTED,
    TRUTH,
    WIDE,
    canvas,
    end_labels,
    gid,
    law_line,
    note,
    styled,
)
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label
from scaling.units import unit_of_d

_GRID = 40  # values of C: the frontier is nearly straight
_BEYOND = 30.0  # times the largest fitted run, where no target asks for more
_TOKENS = "#8a5a00"


@styled
def frontier(
    fit: Fitted, targets: Sequence[Outcome] = (), *, ax: Sequence[Axes] | None = None
) -> Figure:
    """The least loss at each C with its 90 % band, and the N and D that give it.

    Solid over the compute of the runs fitted, dashed beyond. targets: runs that were forecast, with
    their intervals and what came out; `compute_ratio` is over the largest run fitted.
    """
    N, D, C, loss = rows(fit)
    goal = [one.compute_ratio * fit.c_max for one in targets]
    far = 2 * max(goal) if goal else _BEYOND * fit.c_max
    grid = np.geomspace(fit.c_min, far, _GRID)
    inside = grid <= fit.c_max * (1 + 1e-9)
    best = fit.optimum(grid)
    figure, (left, right) = canvas(ax, 2, width=WIDE, height=2.9)

    law_line(left, grid, best.loss.point, inside, colour=FIT, name="loss",
             band=best.loss.interval())  # fmt: skip
    left.plot([], [], color=FIT, linewidth=1.1, label="optimum, inside the data")
    left.plot([], [], color=FIT, linewidth=1.1, linestyle=DASHED, label="optimum, forecast")
    kept, said = thinned(N)
    N, D, C, loss = N[kept], D[kept], C[kept], loss[kept]
    (dots,) = left.plot(C, loss, "o", color=MUTED, markersize=3, markerfacecolor="none",
                        markeredgewidth=0.6, label="pilot runs")  # fmt: skip
    note(left, said)
    mark(dots, "pilots", N=N, D=D, C=C, loss=loss)
    _targets(left, goal, targets)
    left.set_ylabel(loss_label(loss_kind(fit)))
    left.set_title("Loss at the optimum")

    ends = []
    for answer, runs, column, colour in (
        (best.N, N, fit.n_column, FIT),
        (best.D, D, "D", _TOKENS),
    ):
        law_line(right, grid, answer.point, inside, colour=colour, name=f"optimal-{column}",
                 band=answer.interval())  # fmt: skip
        (dots,) = right.plot(C, runs, "o", color=colour, markersize=2.2, markeredgewidth=0,
                             alpha=0.5)  # fmt: skip
        mark(dots, f"pilots-{column}", N=N, D=D, C=C, loss=loss)
        told = f"optimal {SYMBOLS[column]} {_growth(answer, grid)}"
        ends.append((float(answer.point[-1]), told, colour))
    right.set_ylabel(f"Parameters {SYMBOLS[fit.n_column]}, {unit_of_d(d_kind(fit))} $D$")
    right.set_title("How to divide the budget")
    for panel, form in ((left, "plain"), (right, "quantity")):
        panel.set(xscale="log", yscale="log", xlim=(fit.c_min / 1.2, far))
        panel.set_xlabel(axis_label(compute_name(fit)))
        log_ticks(panel.xaxis, "power")
        log_ticks(panel.yaxis, form)
        panel.axvline(fit.c_max, color=MUTED, linewidth=0.6, linestyle=":", zorder=0)
    right.annotate(
        "largest pilot", (fit.c_max, 0.02), xycoords=("data", "axes fraction"), xytext=(2.5, 0),
        textcoords="offset points", fontsize=6.3, color=MUTED, rotation=90, va="bottom",
    )  # fmt: skip
    left.legend(loc="upper right", borderaxespad=0)
    end_labels(right, ends)
    return figure


def _growth(answer: Draws, C: Array) -> str:
    """The exponent of C in the upper half of what is drawn, with its 90 % interval."""
    beyond = slice(len(C) // 2, None)
    away = np.log(C[beyond]) - np.log(C[beyond]).mean()
    point, *draws = (
        float(np.log(values[beyond]) @ away / (away @ away))
        for values in (answer.point, *answer.draws)
    )
    low, high = np.quantile(draws, [0.05, 0.95]) if draws else (point, point)
    interval = f"\n[{low:.2f}, {high:.2f}]" if low < high else ""
    return f"$\\propto C^{{{point:.2f}}}${interval}"


def _targets(axes: Axes, C: Sequence[float], targets: Sequence[Outcome]) -> None:
    """Each target's forecast with its interval, and its star where it has come out."""
    if not targets:
        return
    middle = np.array([one.forecast for one in targets])
    ends = [middle - [one.q05 for one in targets], [one.q95 for one in targets] - middle]
    bars = axes.errorbar(
        C, middle, yerr=np.maximum(ends, 0.0), fmt="s", color=FIT, markerfacecolor="white",
        markersize=3.6, elinewidth=1.0, capsize=2.2, zorder=4, label="target: forecast, 90 %",
    )  # fmt: skip
    _mark(bars.lines[0], "forecasts", targets)
    for part, line in enumerate([*bars.lines[1], *bars.lines[2]]):
        line.set_gid(gid("forecasts", part))
    known = [
        (c, one.truth, one) for c, one in zip(C, targets, strict=True) if one.truth is not None
    ]
    if known:
        (stars,) = axes.plot(
            [c for c, *_ in known], [truth for _, truth, _ in known], "*", color=TRUTH,
            markersize=7.5, markeredgecolor="white", markeredgewidth=0.5, zorder=6,
            label="target: came out",
        )  # fmt: skip
        _mark(stars, "truths", [one for *_, one in known])


def _mark(artist: Artist, name: str, targets: Sequence[Outcome]) -> None:
    columns = {key: [getattr(one, key) for one in targets] for key in ("forecast", "q05", "q95")}
    mark(artist, name, run=[one.cell for one in targets], **columns)
