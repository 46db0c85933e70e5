"""One loss-versus-scale curve beyond its last point: `scaling extrapolate`."""

from scaling.extrapolate.curve import Curve, curves
from scaling.extrapolate.drift import Extrapolation, extrapolate
from scaling.extrapolate.forecast import (
    CurveForecast,
    Rollout,
    forecast_curve,
    interval_score,
    rmsle,
)

__all__ = [
    "Curve",
    "CurveForecast",
    "Extrapolation",
    "Rollout",
    "curves",
    "extrapolate",
    "forecast_curve",
    "interval_score",
    "rmsle",
]
