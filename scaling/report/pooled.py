"""The proof's rule as one predictor: its fits pooled, as the forecast pools them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.fit import Fit
from scaling.forecast.averaged import Averaged
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Growth
from scaling.laws.law import Law

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pooled(Calibrated):
    """Fits of one table under one rule, averaged with equal weights, as one `Predictor`.

    Losses are widened by the rule's discrepancy, so that bands agree with the intervals of
    `forecast.json`. fits: the members whole, for what is told of them.
    shown: the points that figures draw, where that is not all of them.
    """

    fits: Sequence[Fit] = ()
    discrepancy: float = 0.0
    shown: Mapping[str, Array] | None = None

    @property
    def law(self) -> Law:
        return self.fits[0].law

    @property
    def points(self) -> Mapping[str, Array]:
        return self.fits[0].points if self.shown is None else self.shown

    @property
    def conventions(self) -> Mapping[str, str]:
        return self.fits[0].conventions


def pooled(fits: Sequence[Fit], discrepancy: float = 0.0) -> Pooled:
    """The fits as one predictor. discrepancy: the law's stated relative error for each e-fold of
    compute beyond the pilots (a standard deviation).

    Every k-th draw of each of k fits, so that many cost no more than one.
    """
    every = len(fits)
    thin = [replace(item, draws=item.draws[::every]) for item in fits]
    mixture = Averaged(thin, [1 / every] * every)
    return Pooled(
        mixture,
        loss_growth=Growth.fixed(discrepancy),
        n_growth=Growth.fixed(0.0),
        fits=fits,
        discrepancy=discrepancy,
    )
