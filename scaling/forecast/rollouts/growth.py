"""How a forecaster's error grows with distance in compute, learnt from what it got wrong before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Prior standard deviations, over tables: rates differ by a factor of three, spreads by a fifth.
_RATE_SD, _STRETCH_SD = 1.0, 0.2
_RATES = np.linspace(-4.0, 4.0, 41)  # ln rate over its prior median, in standard deviations
_STRETCHES = np.linspace(-2.5, 2.5, 11)
_FLOOR = 1e-12  # of a variance: no error is known to be exactly zero
FULL = float(np.log(3.0))  # distance from which on a stretch is in full effect


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
    """How relative errors grow beyond the data: a posterior over pairs of a rate and a stretch.

    rate, stretch, probability: each [k].

    The model: error ~ Normal(0, (stretch x spread)^2 + (rate x distance)^2). The stretch says how
    much wider (or narrower) the forecaster's own draws should have been; the rate is what they
    leave out. That this grows in proportion to distance in ln C is what one wrong exponent of the
    frontier gives. Before any error is seen ln rate ~ Normal(ln of a stated median, 1) and ln
    stretch ~ Normal(0, .2). The entries of one cut count as one observation. Predictions average
    over the posterior, so that tails are heavy where few cuts could be checked (a scale mixture of
    normals, as Student's t is).

    Source: the discrepancy of Kennedy & O'Hagan 2001 (J. R. Stat. Soc. B 63, 425), with a standard
    deviation that grows as a straight line does.
    """

    rate: Array
    stretch: Array
    probability: Array

    @classmethod
    def prior(cls, median: float) -> Growth:
        """Before any error is seen; `median` is the stated default of the rate."""
        x, z = (v.ravel() for v in np.meshgrid(_RATES, _STRETCHES))
        weight = np.exp(-0.5 * (x**2 + z**2))
        rate, stretch = median * np.exp(_RATE_SD * x), np.exp(_STRETCH_SD * z)
        return cls(rate, stretch, weight / weight.sum())

    @classmethod
    def fixed(cls, rate: float) -> Growth:
        """A stated rate, whatever the data say."""
        return cls(np.array([rate]), np.ones(1), np.ones(1))

    def given(self, errors: Errors) -> Growth:
        """The posterior after these errors."""
        variance = self._variance(errors)
        each = -0.5 * (errors.error**2 / variance + np.log(variance))
        log = np.log(self.probability) + each @ errors.weight
        weight = np.exp(log - log.max())
        return Growth(self.rate, self.stretch, weight / weight.sum())

    def log_density(self, errors: Errors) -> Array:
        """Log predictive density of each error [n]."""
        variance = self._variance(errors)
        each = np.exp(-0.5 * errors.error**2 / variance) / np.sqrt(2 * np.pi * variance)
        return np.asarray(np.log(self.probability @ each + 1e-300))

    def widened(self, point: Array, draws: Array, distance: Array, seed: list[int]) -> Array:
        """Draws [n, ...] around a point [...] with these errors at ln(C / cut) = distance [...].

        Each draw has one error per e-fold and one stretch, whatever the distance; at or below
        0 nothing changes.
        """
        rate, stretch = self.of_draws(len(draws), seed)
        column = (-1,) + (1,) * np.ndim(point)
        beyond = np.maximum(distance, 0.0)
        wider = stretch.reshape(column) ** np.minimum(beyond / FULL, 1.0)
        off = np.exp(rate.reshape(column) * beyond)
        return np.asarray(point * (draws / point) ** wider * off)

    def of_draws(self, count: int, seed: list[int]) -> tuple[Array, Array]:
        """So many draws' own errors: relative for each e-fold, and the stretch, each [count]."""
        generator = np.random.default_rng(seed)
        at = (np.arange(count) + 0.5) / max(count, 1)
        pick = np.searchsorted(np.cumsum(self.probability), at).clip(max=len(self.rate) - 1)
        pick = generator.permutation(pick)
        return self.rate[pick] * generator.standard_normal(count), self.stretch[pick]

    def _variance(self, errors: Errors) -> Array:
        own = self.stretch[:, None] * errors.spread
        more = self.rate[:, None] * errors.distance
        return np.asarray(own**2 + more**2 + _FLOOR)

    @property
    def typical(self) -> float:
        """The rate's posterior mean of its logarithm, as a rate."""
        return float(np.exp(self.probability @ np.log(self.rate)))
