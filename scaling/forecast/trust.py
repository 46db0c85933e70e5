"""Whether a table has kept the promises that forecasts from its smaller runs made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.forecast.rollout import Rollout

# Mean error of ln loss for each e-fold of compute: the default forecaster's is at most .6 % on
# published tables whose learning rates were tuned at every size, and at least 1.4 % on those where
# they were not and every method fails (docs/rollout.md).
BROKEN = 0.01
_LEAST = 3  # budgets forecast, that can tell anything


@dataclass(frozen=True)
class Trust:
    """How well forecasts from a table's smaller runs foretold its larger ones.

    error: the mean error of ln loss for each e-fold of compute beyond the cut. missed: the part of
    (cut, larger budget) pairs that lie, in the mean of their runs, beyond the forecaster's own
    nominal 90 % interval of a run. checked: how many pairs there were.
    """

    error: float
    missed: float
    checked: int

    @property
    def broken(self) -> bool:
        """Whether forecasts from this table shouldn't be believed."""
        return self.checked >= _LEAST and self.error > BROKEN

    def __str__(self) -> str:
        if self.checked < _LEAST:
            return (
                f"too few larger budgets ({self.checked}) could be forecast from smaller ones to "
                "tell whether this table keeps what its smaller runs promise"
            )
        told = (
            f"the losses of its own larger budgets came out {self.error:.2%} off for each e-fold "
            f"of compute, {self.missed:.0%} of {self.checked} beyond the 90 % intervals"
        )
        if not self.broken:
            return f"this table has kept what its smaller runs promised: {told}"
        return (
            f"do not trust a forecast from this table: {told}; the law itself moves with scale, as "
            "where learning rates are not tuned at every size"
        )


def trust(found: Rollout, name: str) -> Trust:
    """What the rollouts of one forecaster say of the table, by the rows that are scored.

    Intervals are the forecaster's own: calibrated ones have learnt from the failures that are
    looked for here.
    """
    rows = found.rows[(found.rows.forecaster == name) & found.rows.near]
    if rows.empty:
        return Trust(0.0, 0.0, 0)
    error = np.log(rows.loss / rows.prediction)
    above, below = np.log(rows.bare_q95 / rows.prediction), np.log(rows.prediction / rows.bare_q05)
    cells = rows.assign(
        c=np.log(rows.C).round(2),
        scaled=error / np.where(error > 0, above, below).clip(min=1e-12),
        rate=error / np.log(rows.distance),
    )
    means = cells.groupby(["cut", "c"])[["scaled", "rate"]].mean().abs()
    return Trust(float(means["rate"].mean()), float((means["scaled"] > 1).mean()), len(means))
