"""What a fit minimises: a penalty of each row's residual, summed over rows.

Huber's penalty of log losses with delta 1e-3 is Hoffmann's choice (arXiv:2203.15556, eq. 3):
squared up to delta, absolute beyond, so that a few odd runs don't rule the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

Array = NDArray[np.float64]
Name = Literal["squared", "huber", "huber_scaled", "absolute", "asymmetric", "student_t"]


@dataclass(frozen=True)
class Penalty:
    """One residual's penalty and what solvers need of it, all of the residual's shape."""

    value: Array
    slope: Array  # first derivative
    curvature: Array  # second derivative
    weight: Array  # slope / residual: the weight of iteratively reweighted least squares


@dataclass(frozen=True)
class Objective:
    """The penalty of a residual r = fitted - observed, in the units of the residual.

    squared: r^2 / 2. huber: that up to `delta`, delta (|r| - delta/2) beyond. huber_scaled: Huber's
    density of r / s with the scale s fitted too, `delta` in units of s (Besiroglu et al. 2024).
    absolute: |r|. asymmetric: Huber's, a run above the law weighing tau / (1 - tau) times one below
    it; small tau follows the lower envelope. student_t: (nu + 1)/2 ln(1 + (r / delta)^2 / nu).
    """

    name: Name = "huber"
    delta: float = 1e-3
    tau: float = 0.5
    nu: float = 4.0

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise InputError(f"objective {self.name!r}; valid: {', '.join(get_args(Name))}")
        for name in ("delta", "nu"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} = {value}; must be a finite number above 0")
        if not 0 < self.tau < 1:
            raise InputError(f"tau = {self.tau}; must lie between 0 and 1")

    def __call__(self, residual: Array) -> Penalty:
        if self.name == "squared":
            one = np.ones_like(residual)
            return Penalty(0.5 * residual**2, residual, one, one)
        if self.name == "absolute":
            size = np.abs(residual)
            return Penalty(
                size, np.sign(residual), np.zeros_like(size), 1 / np.maximum(size, 1e-300)
            )
        if self.name == "student_t":
            return self._student_t(residual)
        if self.name == "asymmetric":
            stretch = self.stretch(residual)
            inner = _huber(stretch * residual, self.delta)
            return Penalty(
                inner.value,
                stretch * inner.slope,
                stretch**2 * inner.curvature,
                stretch**2 * inner.weight,
            )
        return _huber(residual, self.delta)

    def stretch(self, residual: Array) -> Array:
        """What an asymmetric penalty multiplies residuals by: 1 on both sides at tau = 1/2."""
        above_law = residual < 0  # observed above fitted
        return np.asarray(np.sqrt(2 * np.where(above_law, self.tau, 1 - self.tau)))

    def _student_t(self, residual: Array) -> Penalty:
        square = (residual / self.delta) ** 2 / self.nu
        weight = (self.nu + 1) / self.nu / self.delta**2 / (1 + square)
        return Penalty(
            0.5 * (self.nu + 1) * np.log1p(square),
            weight * residual,
            weight * (1 - square) / (1 + square),
            weight,
        )

    def __str__(self) -> str:
        arguments = {
            "huber": f"({self.delta:g})",
            "huber_scaled": f"({self.delta:g}, scale fitted)",
            "asymmetric": f"({self.delta:g}, tau {self.tau:g})",
            "student_t": f"({self.delta:g}, nu {self.nu:g})",
        }
        return self.name.removesuffix("_scaled") + arguments.get(self.name, "")


def squared() -> Objective:
    """Least squares."""
    return Objective("squared")


def huber(delta: float = 1e-3) -> Objective:
    """Huber's penalty, in the units of the residual (log loss or loss)."""
    return Objective("huber", delta)


def _huber(residual: Array, delta: float) -> Penalty:
    size = np.abs(residual)
    slope = np.clip(residual, -delta, delta)
    # with s the clipped residual, s (r - s/2) is the penalty on both sides of delta
    value = slope * (residual - 0.5 * slope)
    return Penalty(value, slope, (size <= delta).astype(float), delta / np.maximum(size, delta))
