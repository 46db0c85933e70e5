"""Forecast from a fit, or from anything else that is a `Predictor`."""

from scaling.forecast.forecast import Forecast, Interval, budget, forecast, question
from scaling.forecast.frontier import flat_region
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw, published_law

__all__ = [
    "Forecast", "Interval", "Predictor", "PublishedLaw", "budget", "flat_region", "forecast",
    "published_law", "question",
]  # fmt: skip
