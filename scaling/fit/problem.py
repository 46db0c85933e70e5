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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scaling.fit.objective import Objective
from scaling.laws.law import Jet

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Scale = Literal["log_loss", "loss"]


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
    """Minimise sum_rows weight * penalty(model(u) - target) over u in [lower, upper].

    names: the coordinates, for messages. target: ln loss, or loss where `on` is "loss".
    """

    names: tuple[str, ...]
    lower: Array  # [p]
    upper: Array  # [p]
    columns: tuple[Column, ...]
    core: Callable[[tuple[Array, ...]], Jet]
    target: Array  # [rows]
    objective: Objective
    on: Scale = "log_loss"

    @property
    def rows(self) -> int:
        return len(self.target)

    @property
    def size(self) -> int:
        return len(self.names)

    @property
    def floor(self) -> float:
        """Objective values below this are rounding of an exact fit."""
        return self.rows * float(4e-16 * (1.0 + np.abs(self.target).max())) ** 2

    def jet(self, u: Array) -> Jet:
        """Model and its derivatives by inner variables, on the target's scale; u [b, p]."""
        y = tuple(c.offset + u[:, c.coordinates] @ c.matrix.T for c in self.columns)
        jet = self.core(y)
        if self.on == "log_loss":
            return jet
        loss = np.exp(jet.value)
        g = jet.gradient
        pairs = [(j, k) for k in range(len(g)) for j in range(k + 1)]
        hessian = {jk: loss * (jet.hessian.get(jk, 0.0) + g[jk[0]] * g[jk[1]]) for jk in pairs}
        return Jet(loss, tuple(loss * d for d in g), hessian)

    def residuals(self, u: Array) -> Array:
        """Fitted minus target; u [p] -> [rows], u [b, p] -> [b, rows]."""
        residual = self.jet(np.atleast_2d(u)).value - self.target
        return np.asarray(residual[0] if np.ndim(u) == 1 else residual)

    def jacobian(self, u: Array) -> Array:
        """d residual / d u at one point: u [p] -> [rows, p]."""
        jet = self.jet(u[None])
        jacobian = np.zeros((self.rows, self.size))
        for column, gradient in zip(self.columns, jet.gradient, strict=True):
            jacobian[:, column.coordinates] += gradient[0][:, None] * column.matrix
        return jacobian

    def value(self, u: Array, weights: Array) -> Array:
        """Objective at u [b, p] under row weights [b or 1, rows] -> [b]."""
        return np.asarray((weights * self.objective(self.residuals(u)).value).sum(axis=-1))

    def local(self, u: Array, weights: Array) -> Local:
        """Objective, gradient, Hessian and metric at u [b, p] under weights [b or 1, rows]."""
        b, p = u.shape
        jet = self.jet(u)
        penalty = self.objective(jet.value - self.target)
        slope = weights * penalty.slope
        curvature = weights * penalty.curvature
        reweighted = weights * penalty.weight
        gradient = np.zeros((b, p))
        hessian, metric = np.zeros((b, p, p)), np.zeros((b, p, p))
        for column, g in zip(self.columns, jet.gradient, strict=True):
            gradient[:, column.coordinates] += (slope * g) @ column.matrix
        for (j, k), products in self._products.items():
            rows, cols = self.columns[j].coordinates, self.columns[k].coordinates
            both = jet.gradient[j] * jet.gradient[k]
            exact = curvature * both
            if (j, k) in jet.hessian:
                exact = exact + slope * jet.hessian[j, k]
            for matrix, entries in ((hessian, exact), (metric, reweighted * both)):
                block = (entries @ products).reshape(b, len(rows), len(cols))
                matrix[:, rows[:, None], cols] += block
                if j != k:
                    matrix[:, cols[:, None], rows] += block.transpose(0, 2, 1)
        value = (weights * penalty.value).sum(axis=-1)
        return Local(value, gradient, hessian, metric)

    @cached_property
    def _products(self) -> dict[tuple[int, int], Array]:
        """The monomials of each pair of inner variables, [rows, k_j * k_k]."""
        return {
            (j, k): (left.matrix[:, :, None] * right.matrix[:, None, :]).reshape(self.rows, -1)
            for k, right in enumerate(self.columns)
            for j, left in enumerate(self.columns[: k + 1])
        }


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
