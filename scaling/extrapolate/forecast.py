"""A curve's forecast, and how well the same curve's smaller points foretold its larger ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.extrapolate.curve import Curve
from scaling.extrapolate.drift import LEAST, Extrapolation, extrapolate

Array = NDArray[np.float64]

_ENOUGH = LEAST + 1  # distinct x below the cut of a rollout: the least, and one to judge noise by
_STEPS = (1.0, 2.0, 3.0)  # rollouts end so many horizons below the last point


@dataclass(frozen=True)
class Rollout:
    """Fits of the curve's start, scored on its later points over the forecast's own distance.

    fits: how many. reach: the largest x / x_last that any of them could score. rmsle, coverage: of
    the points ahead of the cuts, and of the nominal 90 % interval there.
    """

    fits: int
    reach: float
    rmsle: float
    coverage: float


@dataclass(frozen=True, eq=False)
class CurveForecast:
    """Losses at `curve.at` [m]: point, 5 % and 95 % quantiles of a new observation.

    rollout: None where the curve is too short for one over any distance.
    """

    curve: Curve
    extrapolation: Extrapolation
    prediction: Array
    q05: Array
    q95: Array
    rollout: Rollout | None

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.curve.truth)

    @property
    def rmsle(self) -> float | None:
        """Root mean square of the error of ln loss, where the loss is known."""
        return rmsle(self.prediction, self.curve.truth) if self.known.any() else None

    @property
    def coverage(self) -> float | None:
        """Share of known losses inside [q05, q95]."""
        truth = self.curve.truth[self.known]
        inside = (self.q05[self.known] <= truth) & (truth <= self.q95[self.known])
        return float(inside.mean()) if len(truth) else None

    @property
    def distance(self) -> float:
        """The largest x to predict over the largest fitted x."""
        return float(self.curve.at.max(initial=0.0) / self.extrapolation.x_last)

    @property
    def unchecked(self) -> str:
        """What has to be said first: empty where rollouts reach as far as the forecast."""
        reach = self.rollout.reach if self.rollout else 1.0
        if self.distance <= reach * (1 + 1e-9):
            return ""
        far = f"{self.distance:.3g}x beyond the last fitted point"
        if self.rollout is None:
            return f"unchecked: {far}; the curve is too short to test any forecast on itself"
        return f"unchecked: {far}; rollouts inside the curve reach {reach:.3g}x"

    def to_dict(self) -> dict[str, Any]:
        score = self.rmsle
        data: dict[str, Any] = {
            "group": self.curve.group,
            "x": self.curve.at.tolist(),
            "prediction": self.prediction.tolist(),
            "q05": self.q05.tolist(),
            "q95": self.q95.tolist(),
        }
        if score is not None:
            data |= {"rmsle": score, "coverage": self.coverage}
        if self.rollout is not None:
            data["rollout"] = vars(self.rollout)
        if self.unchecked:
            data["warning"] = self.unchecked
        return data


def forecast_curve(curve: Curve, *, check: bool = True) -> CurveForecast:
    """Forecast a curve at its `at`; check: also roll out inside it (three more fits)."""
    fitted = extrapolate(curve.x, curve.loss)
    q05, q95 = fitted.quantiles(curve.at)
    rolled = _rollout(curve) if check and len(curve.at) else None
    return CurveForecast(curve, fitted, fitted.predict(curve.at), q05, q95, rolled)


def rmsle(prediction: Array, truth: Array) -> float:
    """Root mean square of ln prediction - ln truth, where truth is a number."""
    known = np.isfinite(truth)
    return float(np.sqrt(np.mean(np.log(prediction[known] / truth[known]) ** 2)))


def interval_score(low: Array, high: Array, truth: Array, level: float = 0.9) -> float:
    """Mean interval score in ln loss (Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359): the
    width, and 2 / (1 - level) times what the truth lies outside."""
    known = np.isfinite(truth)
    low, high, truth = (np.log(v[known]) for v in (low, high, truth))
    outside = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return float(np.mean(high - low + 2 / (1 - level) * outside))


def _rollout(curve: Curve) -> Rollout | None:
    """Cuts one, two and three horizons below the last point, where enough points are left."""
    distinct = np.unique(curve.x)
    if len(distinct) <= _ENOUGH:
        return None
    first, last = distinct[_ENOUGH - 1], distinct[-1]  # no cut lies below the first
    horizon = min(float(curve.at.max()), last**2 / first) / last
    if horizon <= 1.0:
        return None
    errors, inside, reach, fits = [], [], 1.0, 0
    slack = 1 + 1e-9
    for cut in (last / horizon**step for step in _STEPS):
        if cut * slack < first:
            break
        known = distinct[distinct <= cut * slack].max()
        # the first point at the horizon or beyond it ends the stretch that is scored
        end = distinct[distinct * slack >= known * horizon].min()
        ahead = (curve.x > known) & (curve.x <= end)
        fitted = extrapolate(curve.x[curve.x <= known], curve.loss[curve.x <= known])
        truth = curve.loss[ahead]
        low, high = fitted.quantiles(curve.x[ahead])
        errors.append(np.log(fitted.predict(curve.x[ahead]) / truth))
        inside.append((low <= truth) & (truth <= high))
        reach, fits = max(reach, float(end / known)), fits + 1
    if not fits:
        return None
    square = float(np.mean(np.concatenate(errors) ** 2))
    return Rollout(fits, reach, square**0.5, float(np.concatenate(inside).mean()))
