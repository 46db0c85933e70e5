"""How forecasts as far as this one fared on the table's own larger runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.forecast.rollouts.rollout import Rollout
from scaling.forecast.rollouts.scores import loss_cells, size_cells

ALIKE = 2.0  # distances within this factor of one another are called alike
_SLACK = 1.05  # budgets are rounded: a distance that is checked up to rounding is checked


@dataclass(frozen=True)
class Reliability:
    """Rollouts of one forecaster at about one distance beyond their cuts.

    asked: the distance of the forecast, C over the largest run. farthest: the largest distance at
    which a rollout was held against a run. low, high: the distances of the rollouts told of, at
    most a factor of 2 from the asked one, or from the farthest where none reaches that far. cuts,
    budgets: forecasts made, and (cut, budget) pairs they were held against. loss_error: mean
    |ln(prediction / loss)|. loss_held: share of runs inside calibrated 90 % intervals. sizes: pairs
    whose budget shows its own N_opt (0 in a table without budgets; the rest is then None).
    size_error: mean |log10(N_opt / its own)|; size_held: as loss_held; waste: mean compute that
    training the predicted N_opt needs beyond what the budget's own does, as a share of it.
    """

    forecaster: str
    asked: float
    farthest: float
    low: float
    high: float
    cuts: int
    budgets: int
    loss_error: float
    loss_held: float
    sizes: int
    size_error: float | None
    size_held: float | None
    waste: float | None

    @property
    def reached(self) -> bool:
        """Whether rollouts reach as far as what is asked."""
        return self.asked <= self.farthest * _SLACK

    @property
    def decades(self) -> float:
        return float(np.log10(self.asked))

    def __str__(self) -> str:
        at = f"{self.low:.3g}" + (f" to {self.high:.3g}" if self.high > _SLACK * self.low else "")
        told = (
            f"{self._head}rollouts of {self.forecaster} {at} x beyond {self.cuts} "
            f"cut{'s' * (self.cuts != 1)} missed losses by {self.loss_error:.2%} on average; their "
            f"90 % intervals held {self.loss_held:.0%} of them"
        )
        if self.size_error is None:
            return told
        held = "" if self.size_held is None else f", intervals held {self.size_held:.0%}"
        waste = "" if self.waste is None else f", which costs {self.waste:.1%} more compute"
        return (
            f"{told}; they missed N_opt by a factor of {10**self.size_error:.3g}{waste} (mean of "
            f"{self.sizes}{held})"
        )

    @property
    def _head(self) -> str:
        if self.asked <= 1:
            return "inside the runs nothing is extrapolated; the nearest "
        if self.reached:
            return ""
        return (
            f"no rollout reaches {self.asked:.3g} x ({self.decades:.2g} decades): the farthest is "
            f"{self.farthest:.3g} x beyond its cut; "
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "decades": self.decades, "reached": self.reached}


def reliability(past: Rollout, name: str, distance: float) -> Reliability | None:
    """The record of a forecaster at distances near the asked one; None where none was checked.

    distance: C of the forecast over the compute of the largest run behind it. Inside the runs
    (at most 1) nothing is extrapolated: that is told by the nearest distances, too. Raises
    InputError for a distance that is no finite number above 0.
    """
    if not (np.isfinite(distance) and distance > 0):
        raise InputError(f"distance = {distance:g}; must be a finite number above 0")
    losses = loss_cells(past)
    losses = losses[losses.forecaster == name]
    if losses.empty:
        return None
    farthest = float(losses.distance.max())
    nearest = _nearest(losses.distance, distance)
    losses = losses[_alike(losses.distance, nearest)]
    sizes = size_cells(past)
    sizes = sizes[(sizes.forecaster == name) & _alike(sizes.distance, nearest)]
    return Reliability(
        forecaster=name,
        asked=distance,
        farthest=farthest,
        low=float(losses.distance.min()),
        high=float(losses.distance.max()),
        cuts=int(losses.cut.nunique()),
        budgets=len(losses),
        loss_error=float(losses.loss_error.mean()) / 100,
        loss_held=float(losses.loss_coverage.mean()),
        sizes=len(sizes),
        size_error=_mean(sizes.size_error),
        size_held=_mean(sizes.size_coverage),
        waste=_mean(sizes.waste / 100),
    )


def _nearest(distances: pd.Series, asked: float) -> float:
    """The asked distance where some rollout is alike, else the nearest that any has."""
    away = np.log(distances / asked).abs()
    return asked if away.min() <= np.log(ALIKE) else float(distances.loc[away.idxmin()])


def _alike(distances: pd.Series, to: float) -> pd.Series:
    return distances.between(to / (ALIKE * _SLACK), to * ALIKE * _SLACK)


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None
