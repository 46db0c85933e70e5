"""A numerical problem, as engines see it: coordinates in a box and a sum of penalised residuals.

Engines know neither laws nor tables. A problem evaluates many points at once, each with its own row
weights: all starts, or all bootstrap replicates, go through one array program. Inner variables of a
form are affine in few coordinates, so gradient and second-order matrices are matrix products of
[points, rows] arrays with monomials that all points share; no [points, rows, coordinates] array is
made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scaling.fit.objective import Objective
from scaling.laws.law import Jet

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Scale = Literal["log_loss", "loss", "log_reducible"]
Pair = tuple[int, int]

_NONE: Array = np.zeros((1, 1))


@dataclass(frozen=True)
class Column:
    """An inner variable: `offset + sum_k matrix[:, k] * u[coordinates[k]]` over the rows."""

    coordinates: Index  # [k]
    matrix: Array  # [rows, k]
    offset: Array  # [rows]


@dataclass(frozen=True)
class Local:
    """An objective around points u: what a second-order step needs. b points, p coordinates."""

    value: Array  # [b]
    gradient: Array  # [b, p]
    hessian: Array  # [b, p, p]
    metric: Array  # [b, p, p], Gauss-Newton matrix with reweighted rows: never indefinite

    def at(self, rows: NDArray[np.bool_]) -> Local:
        return Local(self.value[rows], self.gradient[rows], self.hessian[rows], self.metric[rows])


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimise sum_rows weight * penalty(residual(u)) over u in [lower, upper].

    names: the coordinates, for messages. core: ln L, or L where `plain`, by inner variables. loss:
    what was observed. on: what residuals are of; log_reducible is ln(L - E), E being the inner
    variable `irreducible`. weights: of the rows. level: the value of `core` alone, where that is
    cheaper. linear: coordinates in which L is linear given the others, `logs` those that are
    logarithms of a parameter.
    """

    names: tuple[str, ...]
    lower: Array  # [p]
    upper: Array  # [p]
    columns: tuple[Column, ...]
    core: Callable[[tuple[Array, ...]], Jet]
    loss: Array  # [rows]
    objective: Objective
    on: Scale
    weights: Array  # [rows]
    plain: bool = False
    level: Callable[[tuple[Array, ...]], Array] | None = None
    irreducible: int = -1
    linear: tuple[int, ...] = ()
    logs: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.loss)

    @property
    def size(self) -> int:
        return len(self.names)

    @cached_property
    def target(self) -> Array:
        """What `jet` is compared with, [rows]."""
        if self.on == "log_loss":
            return np.log(self.loss)
        return self.loss if self.on == "loss" else np.zeros(self.rows)

    @property
    def floor(self) -> float:
        """Objective values below this are rounding of an exact fit."""
        rounding = 4e-16 * (1.0 + np.abs(self.target).max())
        return float((self.weights * self.objective(np.full(self.rows, rounding)).value).sum())

    def jet(self, u: Array) -> Jet:
        """Model and its derivatives by inner variables, on the target's scale; u [b, p]."""
        y = self._inner(u)
        jet = self.core(y)
        if self.on == "log_loss":
            return _log(jet) if self.plain else jet
        loss = jet if self.plain else _exp(jet)
        return loss if self.on == "loss" else self._reducible(loss, y)

    def _inner(self, u: Any) -> tuple[Any, ...]:
        return tuple(c.offset + u[:, c.coordinates] @ c.matrix.T for c in self.columns)

    def model(self, u: Any) -> Any:
        """`jet(u).value`, without derivatives where that saves work; u [b, p] -> [b, rows].

        u may be `Traced`, an array of another library: so is what comes back.
        """
        if self.level is None or self.on == "log_reducible":
            return self.jet(u).value
        value = self.level(self._inner(u))
        if (self.on == "log_loss") == self.plain:
            return np.log(value) if self.plain else np.exp(value)
        return value

    def _reducible(self, loss: Jet, y: tuple[Array, ...]) -> Jet:
        """ln(model - E) - ln(loss - E) from the jet of the model."""
        e = self.irreducible
        own = list(loss.gradient)
        own[e] = own[e] - 1.0
        jet = _log(Jet(loss.value - y[e], tuple(own), loss.hessian))
        seen = 1.0 / (self.loss - y[e])
        gradient = list(jet.gradient)
        gradient[e] = gradient[e] + seen
        hessian = {**jet.hessian, (e, e): jet.hessian.get((e, e), 0.0) + seen**2}
        return Jet(jet.value + np.log(seen), tuple(gradient), hessian)

    def residuals(self, u: Array) -> Array:
        """Fitted minus target; u [p] -> [rows], u [b, p] -> [b, rows]."""
        residual = self.model(np.atleast_2d(u)) - self.target
        return np.asarray(residual[0] if np.ndim(u) == 1 else residual)

    def jacobian(self, u: Array) -> Array:
        """d residual / d u at one point: u [p] -> [rows, p]."""
        jet = self.jet(u[None])
        jacobian = np.zeros((self.rows, self.size))
        for column, gradient in zip(self.columns, jet.gradient, strict=True):
            jacobian[:, column.coordinates] += gradient[0][:, None] * column.matrix
        return jacobian

    def value(self, u: Array, weights: Array, shifts: Array = _NONE) -> Array:
        """Objective at u [b, p] under row weights [b or 1, rows] -> [b].

        shifts [b or 1, rows] are added to the targets: replicates with other noise.
        """
        residuals = self.residuals(u) - shifts
        return np.asarray((weights * self.objective(residuals).value).sum(axis=-1))

    def local(self, u: Array, weights: Array, shifts: Array = _NONE) -> Local:
        """Objective, gradient, Hessian and metric at u [b, p]; weights and shifts as in `value`."""
        b, p = u.shape
        jet = self.jet(u)
        penalty = self.objective(jet.value - self.target - shifts)
        slope = weights * penalty.slope
        curvature = weights * penalty.curvature
        reweighted = weights * penalty.weight
        gradient = np.zeros((b, p))
        for column, g in zip(self.columns, jet.gradient, strict=True):
            gradient[:, column.coordinates] += (slope * g) @ column.matrix
        blocks: list[Array] = []
        for (j, k), products in self._products.items():
            both = jet.gradient[j] * jet.gradient[k]
            exact = curvature * both
            if (j, k) in jet.hessian:
                exact = exact + slope * jet.hessian[j, k]
            blocks += [exact @ products, (reweighted * both) @ products]
        hessian = self._assemble(np.concatenate(blocks[::2], axis=1))
        metric = self._assemble(np.concatenate(blocks[1::2], axis=1))
        value = (weights * penalty.value).sum(axis=-1)
        return Local(value, gradient, hessian, metric)

    def _assemble(self, blocks: Array) -> Array:
        """Symmetric matrices [b, p, p] from the entries of all pairs' blocks, [b, entries]."""
        source, first, cells = self._places
        matrix = np.zeros((len(blocks), self.size**2))
        matrix[:, cells] = np.add.reduceat(blocks[:, source], first, axis=1)
        return matrix.reshape(-1, self.size, self.size)

    @cached_property
    def _places(self) -> tuple[Index, Index, Index]:
        """Which block entries add up to each cell of a matrix: entries in order of their cell,
        where each cell's begin, and the cells."""
        places, sources, count = [], [], 0
        for j, k in self._products:
            rows, cols = np.meshgrid(
                self.columns[j].coordinates, self.columns[k].coordinates, indexing="ij"
            )
            own = count + np.arange(rows.size)
            count += rows.size
            for place in ((rows, cols), (cols, rows))[: 1 if j == k else 2]:
                places.append((place[0] * self.size + place[1]).ravel())
                sources.append(own)
        target, source = np.concatenate(places), np.concatenate(sources)
        order = np.argsort(target, kind="stable")
        cells, first = np.unique(target[order], return_index=True)
        return source[order], first.astype(np.intp), cells

    @cached_property
    def _products(self) -> dict[tuple[int, int], Array]:
        """The monomials of each pair of inner variables, [rows, k_j * k_k]."""
        return {
            (j, k): (left.matrix[:, :, None] * right.matrix[:, None, :]).reshape(self.rows, -1)
            for k, right in enumerate(self.columns)
            for j, left in enumerate(self.columns[: k + 1])
        }


def _pairs(jet: Jet) -> list[Pair]:
    return [(j, k) for k in range(len(jet.gradient)) for j in range(k + 1)]


def _exp(jet: Jet) -> Jet:
    """The jet of e^f from that of f."""
    value, g = np.exp(jet.value), jet.gradient
    hessian = {(j, k): value * (jet.hessian.get((j, k), 0.0) + g[j] * g[k]) for j, k in _pairs(jet)}
    return Jet(value, tuple(value * d for d in g), hessian)


def _log(jet: Jet) -> Jet:
    """The jet of ln f from that of f."""
    g = tuple(d / jet.value for d in jet.gradient)
    hessian = {
        (j, k): jet.hessian.get((j, k), 0.0) / jet.value - g[j] * g[k] for j, k in _pairs(jet)
    }
    return Jet(np.log(jet.value), g, hessian)


@dataclass(frozen=True)
class Solutions:
    """Where an engine ended: one point a problem or a start, and whether it is a minimum."""

    u: Array  # [b, p]
    value: Array  # [b]
    converged: NDArray[np.bool_]  # [b]
    iterations: Array  # [b]

    @classmethod
    def join(cls, parts: Sequence[Solutions]) -> Solutions:
        return cls(
            np.concatenate([p.u for p in parts]),
            np.concatenate([p.value for p in parts]),
            np.concatenate([p.converged for p in parts]),
            np.concatenate([p.iterations for p in parts]),
        )
