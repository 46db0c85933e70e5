"""A predictor whose intervals also carry what its forecasters' past errors show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.frontier import without_draws
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.growth import Growth

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A predictor whose draws are as wide as its past errors were, by distance beyond its data.

    loss_growth, n_growth: how the relative errors of losses and of N_opt grow (`Growth` states the
    model and its source). checked: the largest ratio of compute at which a forecast of this kind
    was held against the table's own larger runs; 1 where none was.

    What is assumed: that the forecaster errs beyond the data as it erred inside them - in
    proportion to distance in ln C, at one rate for all cuts, and on either side alike. Every draw
    gets one error of its own, so that its losses at all (N, D) move together. Inside the data
    the draws are the predictor's, and so is the point everywhere.
    """

    predictor: Predictor
    loss_growth: Growth
    n_growth: Growth
    checked: float = 1.0
    seed: int = 0

    @property
    def cost(self) -> Cost:
        return self.predictor.cost

    @property
    def c_min(self) -> float:
        return self.predictor.c_min

    @property
    def c_max(self) -> float:
        return self.predictor.c_max

    @property
    def n_column(self) -> str:
        return self.predictor.n_column

    @property
    def bare(self) -> Predictor:
        """The point, which is the predictor's own, without draws."""
        return without_draws(self.predictor)

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss."""
        C = self.cost.flops_per_token(N) * np.asarray(D, dtype=float)
        return self._widened(self.predictor.loss(N, D, noise=noise), C, self.loss_growth, 2)

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]."""
        C = np.asarray(C, dtype=float)
        best = self.predictor.optimum(C)
        N = self._widened(best.N, C, self.n_growth, 3)
        D = Draws(best.D.point, self.cost.tokens(C, N.draws))
        return Optimum(N, D, self._widened(best.loss, C, self.loss_growth, 2))

    def _widened(self, values: Draws, C: Array, growth: Growth, stream: int) -> Draws:
        distance = np.log(C / self.c_max) if self.c_max > 0 else np.zeros_like(C)
        seed = [self.seed, stream]
        return Draws(values.point, growth.widened(values.point, values.draws, distance, seed))
