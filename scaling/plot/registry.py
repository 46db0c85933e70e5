"""Every figure that can be drawn from what is stored: of a table, a study, a fit, a run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.fit import Fit, fit, squared
from scaling.forecast.crossing import side_by_side
from scaling.forecast.forecasters import default
from scaling.forecast.rollout import rollout as roll
from scaling.forecast.rows import rows_of
from scaling.plot.depth import depth
from scaling.plot.envelope import envelope
from scaling.plot.families import families
from scaling.plot.frontier import frontier
from scaling.plot.isoflop import isoflop
from scaling.plot.overfitting import overfitting
from scaling.plot.pairs import pairs
from scaling.plot.rates import rates
from scaling.plot.residuals import residuals
from scaling.plot.rollout import rollout
from scaling.plot.sensitivity import sensitivity
from scaling.plot.slices import slices
from scaling.plot.telemetry import Findings, telemetry
from scaling.table import GAP, read_table, with_gap, with_loss


def _rolled_out(table: pd.DataFrame) -> Figure:
    """The rollouts of the table's default forecaster."""
    rows = rows_of(table)
    return rollout(roll(table, [default(rows)[0]]), kind=rows.kinds["L_kind"])


def of_families(table: pd.DataFrame, law: str = "chinchilla", **settings: Any) -> Figure:
    """Model families side by side, each by a law of its own; settings as of `fit_by`."""
    return families(side_by_side(law, table, **settings))


def study_of(folder: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """A study's run table, and the curves of its runs as far as they were kept.

    Raises InputError where the folder holds no table, and for a curve that cannot be read.
    """
    table, curves = read_table(folder / "table.parquet"), {}
    for run in table["run"].astype(str):
        path = folder / "cells" / run / "curve.parquet"
        if path.is_file():
            try:
                curves[run] = pd.read_parquet(path)
            except (OSError, ValueError) as error:
                raise InputError(f"{path}: cannot be read: {error}") from None
    return table, curves


def of_repetition(table: pd.DataFrame, law: str = "overfit", **settings: Any) -> Figure:
    """Losses against epochs with the law fitted to them, and the gap of held-out over training loss
    with its own; settings as of `fit`."""
    fitted = fit(law, table, **settings)
    gaps = with_gap(table)
    if GAP not in gaps:
        return overfitting(table, fitted)
    # A gap may be negative where it is small: least squares of the gap itself.
    same = {k: v for k, v in settings.items() if k in ("N", "where", "draws", "kind", "seed")}
    return overfitting(
        table, fitted, fit("gap", with_loss(gaps, GAP), objective=squared(), on="loss", **same)
    )


# Of a run table and of how it is fitted, each with its usual law.
FAMILIES, OVERFITTING = "families", "overfitting"
OF_FITTED_TABLE: Mapping[str, Callable[..., Figure]] = {
    FAMILIES: of_families,
    OVERFITTING: of_repetition,
}
OF_TABLE: Mapping[str, Callable[[pd.DataFrame], Figure]] = {
    "rates": rates,
    "rollout": _rolled_out,
    "sensitivity": sensitivity,
}
OF_STUDY: Mapping[str, Callable[[pd.DataFrame, Mapping[str, pd.DataFrame]], Figure]] = {
    "depth": depth,
}
OF_FIT: Mapping[str, Callable[[Fit], Figure]] = {
    "envelope": envelope,
    "frontier": frontier,
    "isoflop": isoflop,
    "pairs": pairs,
    "residuals": residuals,
    "slices": slices,
}
# Of one run: its curve, and what was found.
OF_RUN: Mapping[str, Callable[[pd.DataFrame, Findings], Figure]] = {"telemetry": telemetry}
PROFILE = "profile"  # of a fit, and of quantities that are asked for


def names() -> list[str]:
    """All figures that `scaling plot` draws."""
    return sorted([*OF_TABLE, *OF_FITTED_TABLE, *OF_STUDY, *OF_FIT, *OF_RUN, PROFILE])


def check(name: str) -> None:
    """Raise InputError, which lists all figures and the nearest, for a name that is none."""
    if name in names():
        return
    near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"unknown figure {name!r}; known: {', '.join(names())}{hint}")
