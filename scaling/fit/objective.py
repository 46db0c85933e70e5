"""What a fit minimises: a penalty of each row's residual, summed over rows.

Huber's penalty of log losses with delta 1e-3 is Hoffmann's choice (arXiv:2203.15556, eq. 3):
squared up to delta, absolute beyond, so that a few odd runs don't rule the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Penalty:
    """One residual's penalty and what solvers need of it, all of the residual's shape."""

    value: Array
    slope: Array  # first derivative
    curvature: Array  # second derivative
    weight: Array  # slope / residual: the weight of iteratively reweighted least squares


@dataclass(frozen=True)
class Objective:
    """`squared` (r^2/2) or `huber` (r^2/2 up to delta, delta (|r| - delta/2) beyond)."""

    name: Literal["squared", "huber"] = "huber"
    delta: float = 1e-3

    def __post_init__(self) -> None:
        if self.name not in ("squared", "huber"):
            raise InputError(f"objective {self.name!r}; valid: squared, huber")
        if not (np.isfinite(self.delta) and self.delta > 0):
            raise InputError(f"delta = {self.delta}; must be a finite number above 0")

    def __call__(self, residual: Array) -> Penalty:
        if self.name == "squared":
            one = np.ones_like(residual)
            return Penalty(0.5 * residual**2, residual, one, one)
        size = np.abs(residual)
        inside = size <= self.delta
        slope = np.clip(residual, -self.delta, self.delta)
        # with s the clipped residual, s (r - s/2) is the penalty on both sides of delta
        value = slope * (residual - 0.5 * slope)
        return Penalty(
            value, slope, inside.astype(float), self.delta / np.maximum(size, self.delta)
        )

    def __str__(self) -> str:
        return f"huber({self.delta:g})" if self.name == "huber" else self.name


def squared() -> Objective:
    """Least squares."""
    return Objective("squared")


def huber(delta: float = 1e-3) -> Objective:
    """Huber's penalty, in the units of the residual (log loss or loss)."""
    return Objective("huber", delta)
