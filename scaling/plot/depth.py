"""Plain and residual nets by depth: training loss, gradients by layer, receptive field and cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scaling.errors import InputError
from scaling.families import resnet
from scaling.plot.fitted import Array
from scaling.plot.style import (
    DASHED,
    GROUPS,
    INK,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    end_labels,
    gid,
    note,
    ramp,
    styled,
)
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, table_loss_label
from scaling.table import conventions
from scaling.units import UNITS_OF_D

KINDS = ("plain", "residual")
_LOOKS = dict(zip(KINDS, zip((GROUPS[1], GROUPS[0]), MARKERS, strict=False), strict=True))
_GRADIENT = "grad_norm/"
LAST_STEPS = 64  # whose mean is a run's training loss


@styled
def depth(
    table: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """What depth does to plain and to residual nets, in six panels.

    table: runs of the family resnet, with config, seed and C; curves: by run, with loss and, for
    the gradients, `grad_norm/BLOCK`. Lines go through the means of seeds, whose single runs are
    dots. Raises InputError where there are no such runs.
    """
    runs = nets(table, curves)
    figure, axes = canvas(ax, 3, rows=2, width=WIDE, height=4.7)
    _losses(axes[0], runs)
    _training(axes[1], runs, curves)
    _cost(axes[2], runs)
    named = [
        (panel, _gradients(panel, runs, curves, kind))
        for panel, kind in zip(axes[3:5], KINDS, strict=True)
    ]
    limits = [panel.get_ylim() for panel, _ in named]
    for panel, ends in named:  # last: names stand by the height that both panels share
        # room below: the names of lines that end together spread there
        panel.set_ylim(min(low for low, _ in limits) / 10, max(high for _, high in limits))
        end_labels(panel, ends, title="layers")
    _fields(axes[5], [resnet.from_dials(**json.loads(text)) for text in runs["config"].unique()])
    return figure


def nets(table: pd.DataFrame, curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The runs with a curve: kind ("plain", "residual"), depth, seed, train_loss (the mean over
    the last 64 steps) and FLOPs for each image, by depth; of several learning rates that with the
    lowest training loss of each kind and depth, over all seeds.

    Raises InputError for a table without resnets, and where no run has a curve.
    """
    if missing := [c for c in ("run", "family", "config", "seed", "C", "D") if c not in table]:
        raise InputError(f"no column {', '.join(missing)}: this figure needs a study of resnets")
    rows = table[(table["family"] == "resnet") & table["run"].isin(list(curves))]
    if rows.empty:
        raise InputError("no run of the family resnet with a curve: this figure needs some")
    config = [json.loads(str(text)) for text in rows["config"]]
    rows = rows.assign(
        kind=["plain" if c["shortcut"] == "none" else "residual" for c in config],
        depth=[int(c["depth"]) for c in config],
        train_loss=[last_loss(curves[run]) for run in rows["run"]],
        flops=rows["C"] / rows["D"],
    )
    if "learning_rate" in rows:
        by = ["kind", "depth"]
        means = rows.groupby([*by, "learning_rate"])["train_loss"].mean().reset_index()
        best = means.loc[means.groupby(by)["train_loss"].idxmin(), [*by, "learning_rate"]]
        rows = rows.merge(best, on=[*by, "learning_rate"])
    return rows.sort_values(["kind", "depth", "seed"], ignore_index=True)


def last_loss(curve: pd.DataFrame) -> float:
    """The mean training loss of the last steps."""
    return float(curve.loc[curve["step"] > curve["step"].max() - LAST_STEPS, "loss"].mean())


def _losses(axes: Axes, runs: pd.DataFrame) -> None:
    ends = []
    for kind, own in runs.groupby("kind"):
        colour, marker = _LOOKS[str(kind)]
        mean = own.groupby("depth")["train_loss"].mean()
        axes.plot(mean.index, mean, color=colour, linewidth=1.1)
        (dots,) = axes.plot(
            own["depth"], own["train_loss"], marker, color=colour, markersize=3.8,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
        dots.set_gid(gid("runs", kind))
        ends.append((float(mean.iloc[-1]), str(kind), colour))
    classes = {json.loads(text)["classes"] for text in runs["config"]}
    for count in classes:
        axes.axhline(log(count), color=MUTED, linewidth=0.7, linestyle=DASHED)
        axes.annotate("uniform guess", (0.02, log(count)), xycoords=("axes fraction", "data"),
                      fontsize=6.3, color=MUTED, va="bottom")  # fmt: skip
    axes.set_ylim(bottom=0, top=1.1 * max(axes.get_ylim()[1], *map(log, classes)))
    _by_depth(axes, runs["depth"])
    axes.set_ylabel(table_loss_label(runs, "Training loss"))
    axes.set_title("Training loss by depth")
    end_labels(axes, ends)


def _training(axes: Axes, runs: pd.DataFrame, curves: Mapping[str, pd.DataFrame]) -> None:
    """The courses of a shallow and of a deep net, means over seeds."""
    depths = sorted(runs["depth"].unique())
    shown = [depths[min(1, len(depths) - 1)], depths[-1]]
    unit = next(name for name in UNITS_OF_D if name in curves[runs["run"].iloc[0]])
    ends = []
    for kind in KINDS:
        for number, dashes in zip(dict.fromkeys(shown), (DASHED, "-"), strict=False):
            own = runs[(runs["kind"] == kind) & (runs["depth"] == number)]
            if own.empty:
                continue
            course = pd.concat([curves[run] for run in own["run"]]).groupby(unit)["loss"].mean()
            (line,) = axes.plot(
                course.index, course, color=_LOOKS[kind][0], linestyle=dashes, linewidth=1.0
            )
            line.set_gid(gid("course", kind, number))
            ends.append((float(course.iloc[-1]), f"{kind} {number}", _LOOKS[kind][0]))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis_label("seen", conventions(runs)["D_kind"]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}k" if v else "0"))
    axes.set_ylabel(table_loss_label(runs, "Training loss"))
    axes.set_title("Courses of training")
    end_labels(axes, ends)


def _cost(axes: Axes, runs: pd.DataFrame) -> None:
    cost = runs.groupby("depth")["flops"].mean()
    axes.plot(cost.index, cost, "D-", color=INK, markersize=3.4, linewidth=1.0)
    axes.set_yscale("log")
    log_ticks(axes.yaxis, "power")
    _by_depth(axes, runs["depth"])
    axes.set_ylabel("Training FLOPs an image (counted)")
    axes.set_title("Cost of either")


def _gradients(
    axes: Axes, runs: pd.DataFrame, curves: Mapping[str, pd.DataFrame], kind: str
) -> list[tuple[float, str, Any]]:
    """Each block's gradient at the first reading over that of the last block, seeds' geometric
    mean; a line a depth, and its end."""
    runs = runs[runs["kind"] == kind]
    depths = sorted(runs["depth"].unique())
    ends: list[tuple[float, str, Any]] = []
    step = 0
    for number, colour in zip(depths, ramp(len(depths)), strict=True):
        norms = [by_block(curves[run]) for run in runs.loc[runs["depth"] == number, "run"]]
        if not norms[0].size:
            continue
        step = int(curves[runs["run"].iloc[0]]["step"].iloc[0])
        relative = np.exp(np.mean([np.log(row / row[-1]) for row in norms], axis=0))
        (line,) = axes.plot(np.linspace(0, 1, relative.size), relative, color=colour, linewidth=1.0)
        line.set_gid(gid("gradient", number))
        ends.append((float(relative[0]), f"{number}", colour))
    axes.set_yscale("log")
    axes.set_xlim(1, 0)  # the gradient's own way, so that names stand where it has gone farthest
    axes.set_xticks([1, 0.5, 0], ["output", "middle", "input"])
    axes.set_xlabel("Place of the block in the net")
    axes.set_ylabel("Gradient norm / last block's")
    axes.set_title(f"{kind.capitalize()}: gradients")
    log_ticks(axes.yaxis, "power")
    untold = "no gradients by block are kept with these runs"
    note(axes, f"at step {step}" if ends else untold, y=0.96)
    return ends


def by_block(curve: pd.DataFrame) -> Array:
    """Norms of the gradient by each block behind the stem and before the head, at the first
    reading."""
    blocks = [str(c) for c in curve if str(c).startswith(f"{_GRADIENT}stage_")]
    norms = curve[blocks].iloc[0].to_numpy(float)
    return np.where(norms > 0, norms, np.nan)  # one that has underflowed has no place on a log axis


def _fields(axes: Axes, shapes: Sequence[resnet.ResNet]) -> None:
    sides = {shape.depth: shape.receptive_field or 1 for shape in shapes}
    numbers = sorted(sides)
    axes.plot(numbers, [sides[n] for n in numbers], "D-", color=INK, markersize=3.4, linewidth=1.0)
    for image in {shape.image for shape in shapes}:
        axes.axhline(image, color=MUTED, linewidth=0.7, linestyle=DASHED)
        axes.annotate(f"the image's side: {image}", (0.98, image), fontsize=6.3, color=MUTED,
                      xycoords=("axes fraction", "data"), va="bottom", ha="right")  # fmt: skip
    axes.set_yscale("log")
    log_ticks(axes.yaxis, "plain")
    _by_depth(axes, pd.Series(numbers))
    axes.set_ylabel("Receptive field (side, pixels)")
    axes.set_title("What a position sees")


def _by_depth(axes: Axes, depths: pd.Series[int]) -> None:
    """A log axis that names the depths themselves."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(depths))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.set_xlabel("Depth (layers)")
