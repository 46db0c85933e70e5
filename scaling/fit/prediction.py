"""What a predictor answers: a point estimate and draws around it, and the optimum at a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.laws.law import Law

Array = NDArray[np.float64]

_TINY = 1e-30  # complex step: exact derivatives without cancellation
_HALVINGS = 60  # of a bracket of some tens of e-folds: down to the last bits


@dataclass(frozen=True, eq=False)
class Draws:
    """A number, or an array of them, with its uncertainty: point [...], draws [n_draws, ...]."""

    point: Array
    draws: Array

    def interval(self, level: float = 0.90) -> tuple[Array, Array]:
        """The central interval that holds `level` of the draws; the point twice without draws."""
        if len(self.draws) == 0:
            return self.point, self.point
        tail = (1 - level) / 2
        low, high = np.quantile(self.draws, [tail, 1 - tail], axis=0)
        return low, high


@dataclass(frozen=True, eq=False)
class Optimum:
    """The compute-optimal N, D and the loss there, for each C asked: each has C's shape."""

    N: Draws
    D: Draws
    loss: Draws


def of_n_and_d(law: Law, N: ArrayLike, D: ArrayLike) -> dict[str, Array]:
    """The law's variables, broadcast. Raises InputError for a law that needs others."""
    N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
    x = {name: value for name, value in (("N", N), ("D", D)) if name in law.variables}
    if len(x) < len(law.variables):
        raise InputError(f"law {law.name} needs {', '.join(law.variables)}, not N and D")
    return x


def optimal_n(law: Law, params: Mapping[str, Array], C: ArrayLike, cost: Cost) -> Array:
    """The N that minimises the law's loss where `cost.flops_per_token(N) * D = C`.

    params: each [b]; C [...], FLOPs. Returns [b, ...]: by the law's closed form under 6ND where
    it has one, else by bisection of d ln L / d ln N along the budget. Where the loss has no minimum
    between N = 1 and D = 1 one of these ends is returned. Raises InputError for a law of other
    variables than N and D.
    """
    for name in ("N", "D"):
        if name not in law.variables:
            raise InputError(
                f"law {law.name} has no {name}: it says nothing of how to divide "
                "a budget between N and D"
            )
    more = [name for name in law.variables if name not in ("N", "D")]
    if more:
        raise InputError(
            f"law {law.name} needs {', '.join(more)} too: a budget alone does not say which N and "
            "D are best"
        )
    C = np.asarray(C, dtype=float)
    column = {name: np.reshape(v, (-1,) + (1,) * C.ndim) for name, v in params.items()}
    if law.optimum is not None and cost.kind == "6ND":
        return np.asarray(law.optimum(C, column), dtype=float)
    return numeric_n(law, column, C, cost)


def numeric_n(law: Law, params: Mapping[str, Array], C: Array, cost: Cost) -> Array:
    """`optimal_n` for any law and cost; params broadcast against C [...]."""
    shape = np.broadcast_shapes(*(np.shape(v) for v in params.values()), C.shape)
    low = np.zeros(shape)
    high = np.broadcast_to(np.log(cost.params(C)), shape).copy()
    turn = np.exp(1j * _TINY)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        N = np.exp(middle)
        D = cost.tokens(C, N)
        by_n = np.log(law.predict(N=N * turn, D=D, **params)).imag / _TINY
        by_d = np.log(law.predict(N=N, D=D * turn, **params)).imag / _TINY
        falls = by_n < cost.elasticity(N) * by_d
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)))
