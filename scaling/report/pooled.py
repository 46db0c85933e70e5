"""The proof's rule as one predictor: its fits pooled, as the forecast pools them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.fit import Draws, Fit, Optimum
from scaling.laws.law import Law

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Fits of one table under one rule, answering as one `Predictor`.

    The point is the members' mean, the draws are all of theirs. discrepancy: the law's stated
    relative error for each e-fold of compute beyond the pilots (a standard deviation); it widens
    every draw out there, so that bands agree with the intervals of `forecast.json`.
    """

    members: Sequence[Fit]
    discrepancy: float = 0.0

    @property
    def law(self) -> Law:
        return self.members[0].law

    @property
    def points(self) -> Mapping[str, Array]:
        return self.members[0].points

    @property
    def conventions(self) -> Mapping[str, str]:
        return self.members[0].conventions

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

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss at N, D [...]: point [...], draws [all draws, ...]."""
        N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
        pooled = _pool([member.loss(N, D, noise=noise) for member in self.members])
        return self._widened(pooled, self.cost.flops_per_token(N) * D)

    def optimum(self, C: ArrayLike) -> Optimum:
        """The best split of C FLOPs [...]: the members' own optima, and their mean.

        Every k-th draw of each of k members, so that many members cost no more than one.
        """
        C = np.asarray(C, dtype=float)
        every = len(self.members)
        best = [replace(m, draws=m.draws[::every]).optimum(C) for m in self.members]
        return Optimum(
            _pool([o.N for o in best], geometric=True),
            _pool([o.D for o in best], geometric=True),
            self._widened(_pool([o.loss for o in best]), C),
        )

    def _widened(self, pooled: Draws, C: Array) -> Draws:
        beyond = np.maximum(0.0, np.log(C / self.c_max)) if self.c_max > 0 else np.zeros_like(C)
        errors = np.random.default_rng(0).standard_normal(len(pooled.draws))
        column = errors.reshape((-1,) + (1,) * beyond.ndim)
        return Draws(pooled.point, pooled.draws * np.exp(self.discrepancy * beyond * column))


def _pool(parts: Sequence[Draws], *, geometric: bool = False) -> Draws:
    """All draws together; the points' mean, of sizes the geometric one (so that N D stays C/6)."""
    points = np.stack([part.point for part in parts])
    middle = np.exp(np.log(points).mean(axis=0)) if geometric else points.mean(axis=0)
    return Draws(np.asarray(middle), np.concatenate([part.draws for part in parts]))
