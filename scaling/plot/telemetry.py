"""What one run told of itself: its loss with what was found, and its blocks by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.plot.marks import mark
from scaling.plot.style import INK, MUTED, TRUTH, WIDE, canvas, gid, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import named
from scaling.units import UNITS_OF_D

NEEDED = ("step", "loss", "learning_rate")
# Panels of values by block: columns `PREFIX/BLOCK`, and what they are called.
BY_BLOCK = {
    "grad_norm": "Gradient norm",
    "update_ratio": "Update over weights",
    "activation_rms": "Activation, rms",
}
_MARKED = 6  # findings that are numbered and written out; the others only have their line

Findings = Sequence[Mapping[str, Any]]


@styled
def telemetry(
    curve: pd.DataFrame, findings: Findings = (), *, ax: Sequence[Axes] | None = None
) -> Figure:
    """Six panels of one run: loss, learning rate, largest attention logit, and of each block (the
    first is dark) its gradient norm, its updates over its weights, and the size of its output.

    curve: a run's `curve.parquet`. findings: of its record; lines mark where each began. Raises
    InputError where the curve lacks its steps, losses or rates.
    """
    if missing := [name for name in NEEDED if name not in curve]:
        raise InputError(f"the curve has no column {', '.join(missing)}; it has {_columns(curve)}")
    figure, axes = canvas(ax, 3, rows=2, width=WIDE, height=4.2)
    step = curve["step"].to_numpy(float)
    unit = next((f" (nats per {name[:-1]})" for name in UNITS_OF_D if name in curve), "")
    _line(axes[0], step, curve["loss"], f"Training loss{unit}", "loss", logs=True)
    if "held_out" in curve and curve["held_out"].notna().any():
        (dots,) = axes[0].plot(step, curve["held_out"], "o", color=TRUTH, markersize=2.4)
        mark(dots, "held_out")
    _line(axes[1], step, curve["learning_rate"], "Learning rate", "learning_rate", logs=False)
    logits = curve.get("attention_logit", pd.Series(np.nan, index=curve.index))
    _line(axes[2], step, logits, "Largest attention logit", "attention_logit", logs=False)
    for panel, (prefix, title) in zip(axes[3:], BY_BLOCK.items(), strict=True):
        _blocks(panel, step, curve, prefix, title)
    for panel in (panel for panel in axes if panel.axison):
        panel.set_xlim(0, float(step[-1]) if len(step) else 1.0)
        panel.set_xlabel("Step")
        for finding in findings:
            panel.axvline(finding["step"], color=TRUTH, linewidth=0.7, linestyle=":", zorder=1)
    # the rate leaves its panel free below; that of a model without attention has all its room
    _mark(axes[0], axes[1] if axes[2].axison else axes[2], findings)
    return figure


def _line(
    axes: Axes, step: NDArray[np.float64], values: pd.Series, label: str, name: str, *, logs: bool
) -> None:
    told = values.to_numpy(float)
    axes.set_ylabel(label)
    if not np.isfinite(told).any():
        _untold(axes, label)
        return
    (line,) = axes.plot(step, np.where(np.isfinite(told), told, np.nan), color=INK, linewidth=0.9)
    mark(line, gid(name))
    if logs:
        _log(axes, told)


def _blocks(
    axes: Axes, step: NDArray[np.float64], curve: pd.DataFrame, prefix: str, title: str
) -> None:
    columns = [name for name in curve if str(name).startswith(f"{prefix}/")]
    columns = [name for name in columns if np.isfinite(curve[name].to_numpy(float)).any()]
    axes.set_ylabel(f"{title}, by block")
    if not columns:
        _untold(axes, f"{title}, by block")
        return
    for name, colour in zip(columns, ramp(len(columns)), strict=True):
        values = curve[name].to_numpy(float)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        (line,) = axes.plot(step, values, color=colour, linewidth=0.7)
        mark(line, gid(name))
    _log(axes, curve[columns].to_numpy(float))
    ends = [str(name).split("/", 1)[1] for name in (columns[0], columns[-1])]
    axes.set_title(
        f"dark {named(ends[0])}, light {named(ends[1])}", loc="right", fontsize=6.3,
        fontweight="normal", color=MUTED, pad=2,
    )  # fmt: skip


def _log(axes: Axes, values: NDArray[np.float64]) -> None:
    """A log axis, where there is anything to draw on one."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) and positive.max() > positive.min():
        axes.set_yscale("log")
        log_ticks(axes.yaxis, "power" if positive.max() > 1e3 * positive.min() else "plain")


def _untold(axes: Axes, what: str) -> None:
    """No panel, but why there is none."""
    axes.set_axis_off()
    note(axes, f"{what}:\nnot told of this model", y=0.98)


def _mark(axes: Axes, key: Axes, findings: Findings) -> None:
    """A number at the line of each of the first findings, and what it was in a panel with room."""
    told = []
    for n, finding in enumerate(findings[:_MARKED]):
        block = f", {finding['block']}" if finding.get("block") else ""
        told.append(f"{n + 1}  {named(finding['label'] + block)}")
        number = axes.annotate(
            f"{n + 1}", xy=(finding["step"], 1.0), xycoords=axes.get_xaxis_transform(),
            # of several at one step each stands beside the one before
            xytext=(4.5 * sum(f["step"] == finding["step"] for f in findings[:n]), 1.5),
            textcoords="offset points", fontsize=6.3, color=TRUTH, ha="center", va="bottom",
        )  # fmt: skip
        number.set_gid(gid("finding", n))
    if len(findings) > _MARKED:
        told.append(f"and {len(findings) - _MARKED} more")
    if told:
        note(key, "\n".join(["dotted, where it began:", *told]), y=0.04)


def _columns(curve: pd.DataFrame) -> str:
    return ", ".join(map(str, curve.columns)) or "none"
