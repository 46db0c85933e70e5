"""Forecast from a fit, or from anything else that is a `Predictor`."""

from scaling.forecast.asking import budget, question
from scaling.forecast.forecast import Forecast, forecast, forecasts
from scaling.forecast.frontier import flat_region, flat_regions, without_draws
from scaling.forecast.interval import Interval
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw, published_law

__all__ = [
    "Forecast", "Interval", "Predictor", "PublishedLaw", "budget", "flat_region", "flat_regions",
    "forecast", "forecasts", "published_law", "question", "without_draws",
]  # fmt: skip
