"""Forecast against truth: each target's forecast, its interval, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.marks import mark
from scaling.plot.style import FIT, INK, MUTED, TRUTH, WIDE, canvas, gid, styled
from scaling.plot.width import across
from scaling.plot.words import loss_label, named


class Outcome(Protocol):
    """What is drawn of a target; `scaling.forecast.proof.Verdict` has it."""

    @property
    def cell(self) -> str: ...
    @property
    def compute_ratio(self) -> float: ...
    @property
    def forecast(self) -> float: ...
    @property
    def q05(self) -> float: ...
    @property
    def q95(self) -> float: ...
    @property
    def truth(self) -> float | None: ...
    @property
    def error_pct(self) -> float | None: ...
    @property
    def family(self) -> str: ...


@styled
def proof(
    outcomes: Sequence[Outcome], *, kind: str = "nats_per_token", ax: Axes | None = None
) -> Figure:
    """One line a target: forecast with its 90 % interval, and the truth where it is known."""
    if not outcomes:
        raise InputError("no target to draw")
    figure, (axes,) = canvas(ax, width=WIDE, height=0.95 + 0.45 * len(outcomes))
    seen: set[str] = set()

    def once(label: str) -> str | None:
        if label in seen:
            return None
        seen.add(label)
        return label

    for y, one in enumerate(outcomes):
        axes.plot(
            [one.q05, one.q95], [y, y], color=FIT, linewidth=6, alpha=0.28,
            solid_capstyle="butt", label=once("90 % interval, before training"),
        )  # fmt: skip
        (line,) = axes.plot([one.forecast], [y], "|", color=FIT, markersize=13, markeredgewidth=2,
                            label=once("forecast"))  # fmt: skip
        mark(line, gid("forecast", one.cell), run=[one.cell], forecast=[one.forecast],
             q05=[one.q05], q95=[one.q95])  # fmt: skip
        text = "not yet trained"
        if one.truth is not None:
            (dot,) = axes.plot(
                [one.truth], [y], "D", color=TRUTH, markersize=5.5, markeredgecolor="white",
                markeredgewidth=0.6, label=once("came out"), zorder=4,
            )  # fmt: skip
            mark(dot, gid("truth", one.cell), run=[one.cell], forecast=[one.forecast],
                 q05=[one.q05], q95=[one.q95])  # fmt: skip
            text = f"error {one.error_pct:+.2f} %".replace("-", "\N{MINUS SIGN}")
        axes.annotate(
            text, (1.015, y), xycoords=("axes fraction", "data"), va="center", fontsize=7,
            color=INK if one.truth is not None else MUTED, annotation_clip=False,
        )  # fmt: skip
    ratios = [f"({one.compute_ratio:.3g}$\\times$ compute)" for one in outcomes]
    axes.set_yticks(
        range(len(outcomes)),
        [
            f"{named(one.family)} {one.cell[:8]}  {ratio}".lstrip()
            for one, ratio in zip(outcomes, ratios, strict=True)
        ],
    )
    axes.set_ylim(len(outcomes) - 0.45, -0.55)
    axes.margins(x=0.06)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.5)
    axes.minorticks_on()
    axes.tick_params(axis="y", which="minor", length=0)
    axes.set_xlabel(loss_label(kind))
    if ax is None:
        figure.legend(loc="outside upper left", ncols=across(3))
    else:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.1)
    return figure
