"""How a forecaster's error grows with distance in compute, learnt from what it got wrong before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = np.linspace(-4.0, 4.0, 81)  # ln of the rate over its prior median
_SPREAD = 1.0  # prior standard deviation of ln rate: tables differ by a factor of three


@dataclass(frozen=True, eq=False)
class Errors:
    """Past errors of one forecaster in one quantity's logarithm, one entry [n] each.

    distance: ln(C / cut), above 0. error: ln truth - ln prediction. spread: the standard deviation
    that its own draws gave. cut: the compute up to which it had seen rows. weight: what an entry
    counts; those of one cut add up to 1, because they share one extrapolation.
    """

    distance: Array
    error: Array
    spread: Array
    cut: Array
    weight: Array

    @classmethod
    def of(cls, C: Array, cut: Array, error: Array, spread: Array) -> Errors:
        """Entries at C [n] of forecasts made at `cut` [n]; equal weights for each cut's budgets."""
        cells = np.unique(np.stack([cut, np.round(np.log(C), 2)]), axis=1, return_inverse=True)[1]
        in_cell = np.bincount(cells)[cells]
        cuts, number = np.unique(cut, return_inverse=True)
        share = 1.0 / in_cell
        of_cut = np.bincount(number, share, minlength=len(cuts))
        return cls(np.log(C / cut), error, spread, cut, share / of_cut[number])


@dataclass(frozen=True, eq=False)
class Growth:
    """Standard deviation of the relative error for each e-fold of compute beyond the data: a
    posterior on a grid.

    rate, probability: each [k].

    The model: error ~ Normal(0, spread^2 + (rate x distance)^2), on top of the spread of the
    forecaster's own draws; ln rate ~ Normal(ln `median`, 1) before any error is seen. That errors
    grow in proportion to distance in ln C is what one wrong exponent of the frontier gives. The
    entries of one cut count as one observation. Predictions average over the posterior, so their
    tails are heavy where few cuts could be checked (a scale mixture of normals, as Student's t is).

    Source: the discrepancy of Kennedy & O'Hagan 2001, Bayesian calibration of computer models, with
    a standard deviation that grows as a straight line does.
    """

    rate: Array
    probability: Array

    @classmethod
    def prior(cls, median: float) -> Growth:
        """Before any error is seen; `median` is the stated default."""
        weight = np.exp(-0.5 * (_GRID / _SPREAD) ** 2)
        return cls(median * np.exp(_GRID), weight / weight.sum())

    @classmethod
    def fixed(cls, rate: float) -> Growth:
        """A stated rate, whatever the data say."""
        return cls(np.array([rate]), np.array([1.0]))

    def given(self, errors: Errors) -> Growth:
        """The posterior after these errors."""
        variance = errors.spread**2 + (self.rate[:, None] * errors.distance) ** 2 + 1e-12
        each = -0.5 * (errors.error**2 / variance + np.log(variance))
        log = np.log(self.probability) + each @ errors.weight
        weight = np.exp(log - log.max())
        return Growth(self.rate, weight / weight.sum())

    def log_density(self, errors: Errors) -> Array:
        """Log predictive density of each error [n]."""
        variance = errors.spread**2 + (self.rate[:, None] * errors.distance) ** 2 + 1e-12
        each = np.exp(-0.5 * errors.error**2 / variance) / np.sqrt(2 * np.pi * variance)
        return np.asarray(np.log(self.probability @ each + 1e-300))

    def draw(self, count: int, seed: list[int]) -> Array:
        """So many standard errors per e-fold, signed: even quantiles of the rate, each times a
        standard normal. [count]"""
        generator = np.random.default_rng(seed)
        ends = np.cumsum(self.probability)
        at = (np.arange(count) + 0.5) / max(count, 1)
        rates = self.rate[np.minimum(np.searchsorted(ends, at), len(self.rate) - 1)]
        return np.asarray(generator.permutation(rates) * generator.standard_normal(count))

    @property
    def median(self) -> float:
        return float(self.rate[np.searchsorted(np.cumsum(self.probability), 0.5)])
