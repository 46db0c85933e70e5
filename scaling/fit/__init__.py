"""Fit laws to run tables: `fit(law, table) -> Fit`."""

from scaling.fit.fit import ENGINES, fit
from scaling.fit.objective import Objective, huber, squared
from scaling.fit.prediction import Draws, Optimum
from scaling.fit.result import Fit

__all__ = ["ENGINES", "Draws", "Fit", "Objective", "Optimum", "fit", "huber", "squared"]
