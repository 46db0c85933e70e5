"""Fit laws to run tables: `fit(law, table) -> Fit`.

Names are found when first asked for: a saved fit is read without pandas and the engines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.fit.fitting import fit, fit_groups
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

_FILES = {
    "fitting": ("fit", "fit_groups"),
    "objective": ("Objective", "huber", "squared"),
    "prediction": ("Draws", "Optimum"),
    "result": ("Fit", "GroupFit"),
    "rows": ("ENGINES",),
}
_HOME = {name: file for file, names in _FILES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
