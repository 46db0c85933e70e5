"""Several predictors as one: a mixture of their draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.frontier import without_draws
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Averaged:
    """A weighted mixture of predictors of one table, as one `Predictor`.

    The point is the members' weighted mean, of sizes the geometric one (so that N and D still spend
    C); the draws are the members' own, each member's share of them in proportion to its weight. So
    intervals hold what each member leaves open and what they disagree about.
    """

    members: Sequence[Predictor]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.members) != len(self.weights) or not self.members:
            raise InputError(f"{len(self.members)} predictors and {len(self.weights)} weights")
        if min(self.weights) < 0 or not np.isclose(sum(self.weights), 1.0):
            raise InputError(f"weights {self.weights}; they must be 0 or above and add up to 1")

    @property
    def cost(self) -> Cost:
        return self.members[0].cost

    @property
    def c_min(self) -> float:
        return self.members[0].c_min

    @property
    def c_max(self) -> float:
        return self.members[0].c_max

    @property
    def n_column(self) -> str:
        return self.members[0].n_column

    @property
    def checked(self) -> float:
        """The largest ratio of compute at which every member has been checked."""
        return min(float(getattr(member, "checked", 1.0)) for member in self.members)

    @property
    def bare(self) -> Averaged:
        """The same mixture of points without draws."""
        return Averaged([without_draws(member) for member in self.members], self.weights)

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss."""
        return self._mixed([member.loss(N, D, noise=noise) for member in self.members])

    def optimum(self, C: ArrayLike) -> Optimum:
        """The best split of C FLOPs [...]: the members' own optima, mixed."""
        best = [member.optimum(C) for member in self.members]
        return Optimum(
            self._mixed([o.N for o in best], geometric=True),
            self._mixed([o.D for o in best], geometric=True),
            self._mixed([o.loss for o in best]),
        )

    def _mixed(self, parts: Sequence[Draws], *, geometric: bool = False) -> Draws:
        points = np.stack([part.point for part in parts])
        weights = np.asarray(self.weights)
        middle = (
            np.exp(np.tensordot(weights, np.log(points), 1))
            if geometric
            else np.tensordot(weights, points, 1)
        )
        which = self.kept([len(part.draws) for part in parts])
        kept = [part.draws[own] for part, own in zip(parts, which, strict=True)]
        return Draws(np.asarray(middle), np.concatenate(kept))

    def kept(self, draws: Sequence[int]) -> list[NDArray[np.intp]]:
        """Which draws of each member stand for it, of so many that each has."""
        weights = np.asarray(self.weights)
        return [
            np.linspace(0, count - 1, round(share * count)).astype(np.intp)
            for count, share in zip(draws, weights / weights.max(), strict=True)
        ]
