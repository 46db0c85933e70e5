"""Forecasts, designs and rollouts as a notebook shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling import card
from scaling.forecast.interval import Interval
from scaling.forecast.rollouts.scores import record, scores
from scaling.forecast.words import lines_of, reach
from scaling.units import loss_unit, measure, unit_of_d

if TYPE_CHECKING:
    from scaling.forecast.designs.design import Design
    from scaling.forecast.forecast import Forecast
    from scaling.forecast.rollouts.rollout import Rollout


def forecast_card(found: Forecast) -> str:
    """The answer in words, the numbers with intervals, and all else that a forecast prints."""
    units, unit = unit_of_d(found.d_kind), loss_unit(found.l_kind)
    what = "loss" if unit else measure(found.l_kind).title
    rows = [
        (f"{what} of one run{unit and f' ({unit})'}", *_ends(found.loss)),
        (f"N_opt ({found.n_column})", *_ends(found.n_opt)),
        (f"D_opt ({units})", *_ends(found.d_opt)),
        (f"{what} at the optimum", *_ends(found.loss_opt)),
    ]
    # What comes before the head is what must be read first.
    lines = lines_of(found)
    head = next(i for i, line in enumerate(lines) if line.startswith(f"{found.kind} for"))
    shown = ("train", "loss", "optimum", "reach")
    rest = [line.strip() for line in lines[head:] if line.split()[0] not in shown]
    return card.card(
        f"Train N = {found.N:.4g} ({found.n_column}) on D = {found.D:.4g} {units} "
        f"({found.tokens_per_param:.3g} for each parameter): {what} {found.loss.point:.4g}"
        f"{unit and f' {unit}'}",
        card.warned(lines[:head]),
        card.table(("", f"{found.kind}", "90 % interval"), rows, "The forecast"),
        card.said([reach(found), *rest]),
    )


def design_card(found: Design) -> str:
    """The runs to train next, what each adds, and what all of them are expected to narrow."""
    now, then = found.width_before, found.width_after
    widths = [
        ("loss, 90 % interval", f"{100 * now.loss:.3g} %", f"{100 * then.loss:.3g} %"),
        ("N_opt, 90 % interval", f"x {np.exp(now.n_opt):.3g}", f"x {np.exp(then.n_opt):.3g}"),
        ("regret, of the loss", f"{100 * now.regret:.3g} %", f"{100 * then.regret:.3g} %"),
    ]
    runs = [
        (f"{i}{run.key and f': {run.key}'}", f"{run.N:.4g}", f"{run.D:.4g}", f"{run.C:.3g}",
         f"{100 * gain:.2g} %")
        for i, (run, gain) in enumerate(zip(found.runs, found.gains, strict=True), 1)
    ]  # fmt: skip
    return card.card(
        f"{len(found.runs)} runs to train next, {found.spent:.4g} of {found.budget:.4g} FLOPs, for "
        f"C = {found.target:.4g}",
        card.table(("width at the target", "now", "expected"), widths, "What they narrow"),
        card.table(("run", "N", "D", "C", "of the variance"), runs, "Runs to train next"),
        card.said(found.assumed),
    )


def rollout_card(found: Rollout) -> str:
    """Errors and coverage of each forecaster by distance, and its record in words."""
    each = scores(found)
    rows = [
        (f"{row['forecaster']}, {row['bin']}", _share(row["loss_error"], " %"),
         _share(100 * row["loss_coverage"], " %"), _share(row["size_error"], ""),
         _share(row["waste"], " %"))
        for row in each.to_dict("records")
    ]  # fmt: skip
    names = dict.fromkeys(found.rows.forecaster)
    told = [str(known) for name in names if (known := record(found, str(name))) is not None]
    return card.card(
        f"Rollouts of {found.source} at {len(found.cuts)} cuts",
        card.warned(found.refused),
        card.table(
            ("forecaster, distance", "loss error", "in 90 %", "log10 N_opt error", "waste"),
            rows, "Rollouts by distance",
        ),
        card.said(told),
    )  # fmt: skip


def _ends(value: Interval) -> tuple[str, str]:
    ends = f"{value.q05:.4g} to {value.q95:.4g}" if value.open else "no draws"
    return f"{value.point:.4g}", ends


def _share(value: float, unit: str) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}{unit}"
