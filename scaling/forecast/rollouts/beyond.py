"""The runs and budgets beyond a cut, and one line for each of what a forecaster said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.fit.budgets import budget_numbers
from scaling.fit.prediction import Draws
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Errors
from scaling.forecast.rollouts.truth import truth_of
from scaling.forecast.rows import Rows, near_optimal, rows_of
from scaling.forecast.rules import RULES

Array = NDArray[np.float64]
Part = tuple[pd.DataFrame, pd.DataFrame]  # of rows, of budgets

NEAR = 0.05  # losses within 5 % of the best for their compute are those that are scored
_INTERVAL = ("q05", "q95", "bare_q05", "bare_q95", "spread")
ROW = (
    "forecaster", "cut", "C", "distance", "N", "D", "loss", "near", "gain", "prediction",
    *_INTERVAL, "log_density",
)  # fmt: skip
BUDGET = (
    "forecaster", "cut", "C", "distance", "N_opt", "N_opt_q05", "N_opt_q95", *_INTERVAL[2:],
    "loss_opt", "loss_opt_q05", "loss_opt_q95", "n_true", "n_true_se", "loss_true", "waste",
)  # fmt: skip
_TYPES = {"forecaster": object, "near": bool}  # the others are numbers


class Beyond:
    """The runs and budgets beyond one cut: what forecasts made there are held against."""

    def __init__(self, rows: Rows, cut: float, least: float) -> None:
        self.rows, self.cut = rows, cut
        later = (least <= rows.C) & (cut < rows.C)
        self.frame = pd.DataFrame(
            {
                "cut": cut,
                "C": rows.C[later],
                "distance": rows.C[later] / cut,
                "N": rows.N[later],
                "D": rows.D[later],
                "loss": rows.loss[later],
                "near": near_optimal(rows, NEAR)[later],
                "gain": np.log(rows.loss[cut >= rows.C].min() / rows.loss[later]),
            }
        )
        number = budget_numbers(np.log(rows.C))
        levels = np.array([np.median(rows.C[number == k]) for k in np.unique(number[later])])
        C = levels[levels >= least] if rows.budgets else np.array([])
        self.truth = truth_of(rows)
        self.budgets = pd.DataFrame({"cut": cut, "C": C, "distance": C / cut}).merge(
            self.truth.table(), on="C", how="left"
        )

    def rules(self) -> Part:
        """What the naive rules say of the budgets."""
        known = rows_of(self.rows.up_to(self.cut), self.rows.n_column)
        found = [
            self.of_sizes(rule.name, rule.n_opt(known, self.budgets.C)) for rule in RULES.values()
        ]
        return pd.DataFrame(), pd.concat(found)

    def of_sizes(self, name: str, N_opt: Array) -> pd.DataFrame:
        """The budgets [k] with what someone, who forecasts no loss, says of N_opt there."""
        return self._wasted(self.budgets.assign(forecaster=name, N_opt=N_opt))

    def held_against(self, predictor: Calibrated, name: str) -> Part:
        """A forecaster's forecasts of the runs and the budgets."""
        N, D, loss = (self.frame[k].to_numpy(dtype=float) for k in ("N", "D", "loss"))
        bare = predictor.predictor.loss(N, D, noise=True)
        spread = _spread(bare)
        distance = np.log(self.frame.distance.to_numpy(dtype=float))
        errors = Errors(distance, np.log(loss / bare.point), spread, distance, distance)
        rows = self.frame.assign(
            forecaster=name,
            prediction=bare.point,
            **_ends(predictor.loss(N, D, noise=True), ""),
            **_ends(bare, "bare_"),
            spread=spread,
            log_density=predictor.loss_growth.log_density(errors),
        )
        best = predictor.optimum(self.budgets.C.to_numpy(dtype=float))
        own = predictor.predictor.optimum(self.budgets.C.to_numpy(dtype=float)).N
        budgets = self.budgets.assign(
            forecaster=name,
            N_opt=best.N.point,
            **_ends(best.N, "N_opt_"),
            **_ends(own, "bare_"),
            spread=_spread(own),
            loss_opt=best.loss.point,
            **_ends(best.loss, "loss_opt_"),
        )
        return rows, self._wasted(budgets)

    def _wasted(self, budgets: pd.DataFrame) -> pd.DataFrame:
        """With the compute that training at N_opt wastes, where the budget shows its optimum."""
        at = {float(C): i for i, C in enumerate(self.truth.C)}
        waste = [
            self.truth.waste(at[C], float(np.log(N))) if C in at else np.nan
            for C, N in zip(budgets.C, budgets.N_opt, strict=True)
        ]
        return budgets.assign(waste=waste)


def _ends(values: Draws, prefix: str) -> dict[str, Array]:
    low, high = values.interval()
    return {f"{prefix}q05": low, f"{prefix}q95": high}


def _spread(values: Draws) -> Array:
    """Half the width of the middle 68 % of ln draws [n]: a standard deviation that no runaway draw
    moves."""
    if len(values.draws) == 0:
        return np.zeros_like(values.point)
    low, high = np.quantile(np.log(np.maximum(values.draws, 1e-12)), [0.16, 0.84], axis=0)
    return np.asarray((high - low) / 2)


def joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """The parts as one table that has all columns; of nothing, one without lines."""
    filled = [part for part in parts if len(part)]
    if filled:
        return pd.concat(filled, ignore_index=True).reindex(columns=list(columns))
    empty = {name: pd.Series(dtype=_TYPES.get(name, float)) for name in columns}
    return pd.DataFrame(empty)
