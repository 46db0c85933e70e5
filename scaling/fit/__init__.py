"""Fit laws to run tables: `fit(law, table) -> Fit`."""

from scaling.fit.fit import fit, fit_groups
from scaling.fit.objective import Objective, huber, squared
from scaling.fit.prediction import Draws, Optimum
from scaling.fit.result import Fit, GroupFit
from scaling.fit.rows import ENGINES

__all__ = [
    "ENGINES",
    "Draws",
    "Fit",
    "GroupFit",
    "Objective",
    "Optimum",
    "fit",
    "fit_groups",
    "huber",
    "squared",
]
