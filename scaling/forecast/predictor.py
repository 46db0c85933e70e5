"""What a forecast needs of a model: losses and optima with draws. A `Fit` is one; so may others
be."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike

from scaling.cost import Cost
from scaling.fit.prediction import Draws, Optimum


@runtime_checkable
class Predictor(Protocol):
    """Anything that predicts the loss of (N, D) and the best division of a budget.

    `cost` links C to N and D; `c_min` and `c_max` are the compute of the least and the largest run
    behind it, in that convention (0 where there are none); `n_column` says which count N is.
    """

    @property
    def cost(self) -> Cost: ...

    @property
    def c_min(self) -> float: ...

    @property
    def c_max(self) -> float: ...

    @property
    def n_column(self) -> str: ...

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss."""
        ...

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]."""
        ...
