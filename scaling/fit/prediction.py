"""What a predictor answers: a point estimate and draws around it, and the optimum at a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.roots import root
from scaling.laws.law import Law

Array = NDArray[np.float64]

_TINY = 1e-30  # complex step: exact derivatives without cancellation
_GRID = 128  # steps in which a law of further variables is looked over first: .3 to .5 of ln N each


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


def of_n_and_d(
    law: Law, N: ArrayLike, D: ArrayLike, held: Mapping[str, ArrayLike] | None = None
) -> dict[str, Array]:
    """The law's variables, broadcast; held: those beyond N and D. Raises InputError for a law that
    needs others."""
    N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
    x = {name: value for name, value in (("N", N), ("D", D)) if name in law.variables}
    x |= {name: np.asarray(value, float) for name, value in (held or {}).items()}
    if missing := [name for name in law.variables if name not in x]:
        also = "" if held is None else f"; {', '.join(missing)} is not given"
        raise InputError(f"law {law.name} needs {', '.join(law.variables)}, not N and D{also}")
    return x


def optimum_of(
    law: Law,
    params: Mapping[str, float],
    draws: Mapping[str, Array],
    C: ArrayLike,
    cost: Cost,
    held: Mapping[str, ArrayLike] | None = None,
) -> Optimum:
    """The optimum at C [...] of an estimate and of the draws around it, each [n_draws]."""
    C = np.asarray(C, dtype=float)
    rows = {name: np.append(params[name], draws[name]) for name in params}
    N = optimal_n(law, rows, C, cost, held)
    D = np.asarray(cost.tokens(C, N))
    column = {name: _column(values, C) for name, values in rows.items()}
    loss = np.asarray(law.predict(**of_n_and_d(law, N, D, held), **column), dtype=float)
    return Optimum(*(Draws(values[0], values[1:]) for values in (N, D, loss)))


def optimal_n(
    law: Law,
    params: Mapping[str, Array],
    C: ArrayLike,
    cost: Cost,
    held: Mapping[str, ArrayLike] | None = None,
) -> Array:
    """The N that minimises the law's loss where `cost.flops_per_token(N) * D = C`.

    params: each [b]; C [...], FLOPs; held: values of the law's further variables, such as D_unique.
    Returns [b, ...]: by the law's closed form under 6ND where it has one, else by a search for
    where d ln L / d ln N along the budget is 0. Where the loss has no minimum between N = 1 and
    D = 1 one of these ends is returned. Raises InputError for a law of variables that are neither
    N, D nor held.
    """
    for name in ("N", "D"):
        if name not in law.variables:
            raise InputError(
                f"law {law.name} has no {name}: it says nothing of how to divide "
                "a budget between N and D"
            )
    held = held or {}
    more = [name for name in law.variables if name not in ("N", "D", *held)]
    if more:
        raise InputError(
            f"law {law.name} needs {', '.join(more)} too: a budget alone does not say which N and "
            "D are best"
        )
    C = np.asarray(C, dtype=float)
    column = {name: _column(values, C) for name, values in params.items()}
    if law.optimum is not None and cost.kind == "6ND" and not held:
        return np.asarray(law.optimum(C, column), dtype=float)
    return numeric_n(law, column, C, cost, held)


def numeric_n(
    law: Law,
    params: Mapping[str, Array],
    C: Array,
    cost: Cost,
    held: Mapping[str, ArrayLike] | None = None,
) -> Array:
    """`optimal_n` for any law and cost; params broadcast against C [...].

    Laws of N and D alone fall and rise once along a budget; with more variables (a penalty that
    sets in where data repeat) they may turn twice, so that the best of a grid is bracketed first.
    """
    held = held or {}
    shape = np.broadcast_shapes(*(np.shape(v) for v in params.values()), C.shape)
    low = np.zeros(shape)
    high = np.broadcast_to(np.log(cost.params(C)), shape).copy()
    if held:
        low, high = _bracket(law, params, C, cost, held, low, high)

    def rises(x: Array) -> Array:
        """How steeply ln L rises along the budget at ln N = x, where D falls by the elasticity."""
        N = np.exp(x)
        flops, elasticity = cost.at(N)
        turned = {"N": N * (1 + 1j * _TINY), "D": C / flops * (1 - 1j * _TINY * elasticity)}
        with np.errstate(over="ignore", invalid="ignore"):  # of a draw that ran away
            loss = law.predict(**turned, **held, **params)
        return np.asarray(loss.imag / loss.real / _TINY)

    return np.asarray(np.exp(root(rises, low, high)))


def _bracket(
    law: Law,
    params: Mapping[str, Array],
    C: Array,
    cost: Cost,
    held: Mapping[str, ArrayLike],
    low: Array,
    high: Array,
) -> tuple[Array, Array]:
    """The grid points on either side of the best one, as ln N; low and high are the ends."""
    step = (high - low) / _GRID
    best, at = np.full(low.shape, np.inf), np.zeros(low.shape)
    for i in range(_GRID + 1):  # one at a time: all together would not fit for many draws
        N = np.exp(low + i * step)
        with np.errstate(over="ignore", invalid="ignore"):  # a draw that ran away is never best
            loss = law.predict(N=N, D=cost.tokens(C, N), **held, **params)
        better = loss < best
        best, at = np.where(better, loss, best), np.where(better, i, at)
    return low + np.maximum(at - 1, 0) * step, low + np.minimum(at + 1, _GRID) * step


def _column(values: Array, C: Array) -> Array:
    return np.reshape(values, (-1,) + (1,) * C.ndim)
