"""How good forecasts of a table's own larger runs have been, by distance, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.forecast.rollouts.rollout import EDGES, Rollout
from scaling.forecast.rules import RULES

BINS = ("3-10x", "10-30x", "30-100x", ">100x")
LEVEL = 0.90
# On published tables a good forecaster misses by .05 to .11 of the gain, and by .27 to .40 where
# learning rates were not tuned at each size, so that the law itself moves (docs/forecasts.md).
MOST_MISSED = 0.2
LEAST_HELD = 0.7  # of the runs, inside nominal 90 % intervals
_TELLING = 3  # cuts, below which coverage says little


def scores(found: Rollout) -> pd.DataFrame:
    """Errors, coverage and interval scores of each forecaster and rule in each bin of distance.

    Columns: `forecaster bin runs budgets loss_error loss_bias loss_coverage loss_width loss_score
    loss_bare_coverage size_error size_coverage size_width size_score size_bare_coverage waste`. Of
    losses (within 5 % of the best for their compute): mean |ln(prediction / loss)|, and with its
    sign, width and score of the intervals in %, coverage of the nominal 90 %, and of the
    forecaster's own draws (`bare`). Of sizes: mean |log10(N_opt / truth)|, width and score in log10
    too. Means over the budgets of all cuts, of means over each budget's rows.

    Source: the interval score of Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, eq. 43.
    """
    keys = ["forecaster", "bin"]
    losses, sizes = loss_cells(found), size_cells(found)
    by_loss = losses.groupby(keys, observed=True)
    by_size = sizes.groupby(keys, observed=True)
    loss_names = [name for name in map(str, losses) if name.startswith("loss_")]
    size_names = [name for name in map(str, sizes) if name.startswith("size_")]
    of_losses, of_sizes = by_loss[loss_names].mean(), by_size[[*size_names, "waste"]].mean()
    table = of_losses.assign(runs=by_loss["runs"].sum()).join(
        of_sizes.assign(budgets=by_size.size()), how="outer"
    )
    names = list(dict.fromkeys([*found.budgets.forecaster, *found.rows.forecaster]))
    place = table.index.get_level_values("forecaster").map(names.index)
    return table.iloc[np.argsort(place, kind="stable")].reset_index()


def loss_cells(found: Rollout) -> pd.DataFrame:
    """The losses' scores for each forecaster, cut and budget: see `scores`."""
    rows = found.rows[found.rows.near]
    y, point = np.log(rows.loss), np.log(rows.prediction)
    low, high = np.log(rows.q05), np.log(rows.q95)
    scored = pd.DataFrame(
        {
            "forecaster": rows.forecaster,
            "cut": rows.cut,
            "bin": _bin(rows.distance),
            "distance": rows.distance,
            "c": np.log(rows.C).round(2),
            "loss_error": 100 * (point - y).abs(),
            "loss_bias": 100 * (point - y),
            "loss_coverage": ((low <= y) & (y <= high)).astype(float),
            "loss_width": 100 * (high - low),
            "loss_score": 100 * interval_score(y, low, high),
            "loss_bare_coverage": rows.loss.between(rows.bare_q05, rows.bare_q95).astype(float),
        }
    )
    cells = scored.groupby(["forecaster", "bin", "cut", "c"], observed=True)
    return cells.mean().assign(runs=cells.size()).reset_index()


def size_cells(found: Rollout) -> pd.DataFrame:
    """The scores of N_opt for each forecaster or rule, cut and budget that shows its own."""
    budgets = found.budgets[found.budgets.n_true.notna() & found.budgets.N_opt.notna()]
    y, point = budgets.n_true, np.log(budgets.N_opt)
    low, high = np.log(budgets.N_opt_q05), np.log(budgets.N_opt_q95)
    bare = np.log(budgets.bare_q05), np.log(budgets.bare_q95)
    known = low.notna()
    return pd.DataFrame(
        {
            "forecaster": budgets.forecaster,
            "cut": budgets.cut,
            "C": budgets.C,
            "bin": _bin(budgets.distance),
            "distance": budgets.distance,
            "size_error": (point - y).abs() / np.log(10),
            "size_coverage": ((low <= y) & (y <= high)).astype(float).where(known),
            "size_width": (high - low) / np.log(10),
            "size_score": interval_score(y, low, high) / np.log(10),
            "size_bare_coverage": y.between(*bare).astype(float).where(known),
            "waste": budgets.waste,
        }
    )


def interval_score(y: pd.Series, low: pd.Series, high: pd.Series) -> pd.Series:
    """Width of a 90 % interval, plus 20 times the distance by which it was missed."""
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return (high - low) + 2 / (1 - LEVEL) * missed


@dataclass(frozen=True)
class Record:
    """How a forecaster has predicted a table's own larger runs.

    cuts, runs: forecasts made, and runs they were held against. beyond: the largest distances that
    were checked, as a bin; error (mean |ln loss|) and coverage of the calibrated 90 % intervals
    there. missed: mean error over mean gain, at all distances: how much of what more compute
    bought the forecast got wrong. held: coverage at all distances, cuts counting alike.
    """

    forecaster: str
    cuts: int
    runs: int
    checked: float
    beyond: str
    error: float
    coverage: float
    missed: float
    held: float

    @property
    def fails(self) -> bool:
        """The table is one whose larger runs its smaller ones don't foretell."""
        return self.missed > MOST_MISSED or (self.cuts >= _TELLING and self.held < LEAST_HELD)

    def __str__(self) -> str:
        told = (
            f"{self.forecaster} has predicted this table's own runs {self.beyond} beyond the cut "
            f"with a mean error of {100 * self.error:.2g} % of the loss; its 90 % intervals held "
            f"{100 * self.coverage:.0f} % of them; over all {self.cuts} cuts it missed by "
            f"{100 * self.missed:.0f} % of what more compute gained"
        )
        if not self.fails:
            return told
        return (
            f"do not trust this forecast: {self.forecaster} on this table's smaller runs does not "
            "foretell its larger ones (a wrong law does that, or learning rates that are not tuned "
            f"at each size; `scaling compare` tells which laws do better): {told}"
        )


def record(found: Rollout, name: str) -> Record | None:
    """The record of one forecaster; None where nothing could be held against it."""
    rows = found.rows[(found.rows.forecaster == name) & found.rows.near]
    if rows.empty:
        return None
    rows = rows.assign(
        bin=_bin(rows.distance),
        error=np.abs(np.log(rows.prediction / rows.loss)),
        inside=rows.loss.between(rows.q05, rows.q95).astype(float),
    )
    last = rows[rows.bin == rows.bin.max()]
    return Record(
        forecaster=name,
        cuts=int(rows.cut.nunique()),
        runs=len(rows),
        checked=float(rows.distance.max()),
        beyond=str(last.bin.iloc[0]),
        error=float(last.error.mean()),
        coverage=float(last.inside.mean()),
        missed=float(rows.error.mean() / max(rows.gain.mean(), 1e-9)),
        held=float(rows.groupby("cut").inside.mean().mean()),
    )


def as_good_rules(found: Rollout, name: str) -> list[str]:
    """The naive rules that have been as good as this forecaster's N_opt, in plain words."""
    cells = size_cells(found).set_index(["cut", "C"])
    own = cells[cells.forecaster == name].size_error
    words = []
    for rule in RULES.values():
        other = cells[cells.forecaster == rule.name].size_error
        both = own.index.intersection(other.index)
        if len(both) and other[both].mean() <= own[both].mean():
            words.append(
                f"the naive rule of {rule.words} has been as good as {name}: mean error of "
                f"log10 N_opt {other[both].mean():.3f} against {own[both].mean():.3f} over "
                f"{len(both)} budget{'s' * (len(both) != 1)}"
            )
    return words


def _bin(distance: pd.Series) -> pd.Series:
    return pd.cut(distance, list(EDGES), labels=list(BINS), right=False)
