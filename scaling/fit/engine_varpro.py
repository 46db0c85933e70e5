"""Variable projection: least squares on L for laws that are linear in some parameters.

At given exponents the amplitudes are a bounded linear problem, so only the exponents are searched
(Golub & Pereyra 1973). The outer search is Levenberg-Marquardt with Kaufman's Jacobian, the outer
columns less what the inner columns can follow; all starts or replicates are one array program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.linear import bounded
from scaling.fit.problem import Array, Problem, Solutions

NAME = "varpro"
_MAX_ITERATIONS = 300
_TOLERANCE = 1e-15  # of the predicted decrease, relative to the objective
_SHARPENING = 100
_CHUNK = 60_000  # points x rows that are worked on at once: they stay in cache


def solve(problem: Problem, starts: Array) -> Solutions:
    """Minimise from each start [b, p], rows weighing as the problem says."""
    return solve_many(problem, np.ones((len(starts), problem.rows)), starts)


def solve_many(
    problem: Problem, weights: Array, starts: Array, shifts: Array | None = None
) -> Solutions:
    """Minimise under each row of weights [b, rows], on top of the problem's own, with targets moved
    by shifts [b, rows], from starts [p] or [b, p]."""
    if not applies(problem):
        raise InputError(
            "variable projection minimises squared residuals of the loss of a law with linear "
            "parameters: --objective squared --on loss, or choose --engine newton"
        )
    count, size = len(weights), max(1, _CHUNK // problem.rows)
    starts = np.broadcast_to(starts, (count, problem.size))
    weights = weights * problem.weights
    shifts = np.zeros((count, 1)) if shifts is None else shifts
    parts = [
        _minimise(problem, starts[i : i + size], weights[i : i + size], shifts[i : i + size])
        for i in range(0, count, size)
    ]
    return Solutions.join(parts)


def sharpen(problem: Problem, u: Array) -> Array:
    """The last digits of a minimum u [p]: undamped outer steps while the gradient falls."""
    inner = _Inner(problem, problem.weights[None], np.zeros((1, 1)))
    outer, only = inner.outer, np.zeros(1, dtype=np.intp)
    best, least = u, np.inf
    with np.errstate(all="ignore"):  # a step may overflow: its gradient is no smaller
        for _ in range(_SHARPENING):
            point, residual, jacobian = inner.at(u[None], only)
            gradient = (jacobian.transpose(0, 2, 1) @ residual[..., None])[..., 0]
            if not np.abs(gradient).max(initial=0.0) < least:
                break
            best, least = point[0], float(np.abs(gradient).max(initial=0.0))
            gram = jacobian.transpose(0, 2, 1) @ jacobian
            step = _damped(gram, gradient, np.zeros(1), np.zeros_like(gradient, dtype=bool))
            u = best.copy()
            u[outer] = np.clip(u[outer] + step[0], problem.lower[outer], problem.upper[outer])
    return np.asarray(best)


def applies(problem: Problem) -> bool:
    """Whether this is a problem that separates."""
    return problem.objective.name == "squared" and problem.on == "loss" and bool(problem.linear)


class _Inner:
    """The linear problem at outer values: coefficients, residuals, and the projected Jacobian."""

    def __init__(self, problem: Problem, weights: Array, shifts: Array) -> None:
        self.problem, self.root = problem, np.sqrt(weights)
        self.target = problem.target + shifts  # [b, n]
        self.inner = np.array(problem.linear)
        self.outer = np.setdiff1d(np.arange(problem.size), self.inner)
        self.logs = np.isin(self.inner, problem.logs)
        self.free = [bool(v) for v in ~self.logs & (problem.lower[self.inner] < 0)]

    def at(self, u: Array, keep: NDArray[np.intp]) -> tuple[Array, Array, Array]:
        """u [b, p] -> with the best coefficients; residuals [b, n]; Jacobian by outer [b, n, q]."""
        u = u.copy()
        u[:, self.inner] = np.where(self.logs, 0.0, 1.0)  # every coefficient is 1 there
        value, jacobian = self._model(u)
        basis = jacobian[:, :, self.inner]
        root = self.root[keep]
        target = self.target[keep] - (value - basis.sum(axis=2))
        coefficients = bounded(basis * root[..., None], target * root, self.free)
        positive = np.log(np.maximum(coefficients, 1e-300))
        u[:, self.inner] = np.where(self.logs, positive, coefficients)
        u = np.clip(u, self.problem.lower, self.problem.upper)
        value, jacobian = self._model(u)
        residual = root * (value - self.target[keep])
        outer = root[..., None] * jacobian[:, :, self.outer]
        active = np.where((coefficients != 0)[:, None, :], root[..., None] * basis, 0.0)
        q, r = np.linalg.qr(active)
        diagonal = np.abs(np.einsum("bii->bi", r))
        q = np.where((diagonal > 1e-12 * diagonal.max(axis=1, keepdims=True))[:, None], q, 0.0)
        return u, residual, outer - q @ (q.transpose(0, 2, 1) @ outer)

    def _model(self, u: Array) -> tuple[Array, Array]:
        """Loss [b, n] and its Jacobian by coordinates [b, n, p]."""
        jet = self.problem.jet(u)
        jacobian = np.zeros((*jet.value.shape, self.problem.size))
        for column, gradient in zip(self.problem.columns, jet.gradient, strict=True):
            jacobian[:, :, column.coordinates] += gradient[..., None] * column.matrix
        return jet.value, jacobian


def _minimise(problem: Problem, starts: Array, weights: Array, shifts: Array) -> Solutions:
    inner = _Inner(problem, weights, shifts)
    outer = inner.outer
    lower, upper = problem.lower[outer], problem.upper[outer]
    count = len(starts)
    index = np.arange(count)
    done = Solutions(
        np.clip(starts, problem.lower, problem.upper),
        np.full(count, np.inf),
        np.zeros(count, dtype=bool),
        np.full(count, float(_MAX_ITERATIONS)),
    )
    damping = np.full(count, 1e-3)
    with np.errstate(all="ignore"):  # a step may overflow: it is refused, as its value isn't finite
        u, residual, jacobian = inner.at(done.u, index)
        value = 0.5 * (residual**2).sum(axis=1)
        for iteration in range(_MAX_ITERATIONS):
            gradient = np.einsum("bnq,bn->bq", jacobian, residual)
            gram = np.einsum("bnq,bnr->bqr", jacobian, jacobian)
            v = u[:, outer]
            held = ((v <= lower) & (gradient > 0)) | ((v >= upper) & (gradient < 0))
            step = _damped(gram, np.where(held, 0.0, gradient), damping, held)
            moved = np.clip(v + step, lower, upper)
            step = moved - v
            predicted = -(gradient * step).sum(axis=1) - 0.5 * np.einsum(
                "bq,bqr,br->b", step, gram, step
            )
            trial = u.copy()
            trial[:, outer] = moved
            there_u, there_residual, there_jacobian = inner.at(trial, index)
            there = 0.5 * (there_residual**2).sum(axis=1)
            better = np.isfinite(there) & (there < value)
            tiny = np.abs(predicted) <= _TOLERANCE * value
            damping = np.clip(np.where(better, damping * 0.2, damping * 8), 1e-14, 1e14)
            u = np.where(better[:, None], there_u, u)
            residual = np.where(better[:, None], there_residual, residual)
            jacobian = np.where(better[:, None, None], there_jacobian, jacobian)
            value = np.where(better, there, value)
            solved = tiny & ~better | (value <= problem.floor)
            leave = solved | (damping >= 1e13) | (iteration == _MAX_ITERATIONS - 1)
            if leave.any():
                out = index[leave]
                done.u[out], done.value[out] = u[leave], value[leave]
                done.converged[out] = solved[leave]
                done.iterations[out] = iteration + 1
                keep = ~leave
                index, u, damping, value = index[keep], u[keep], damping[keep], value[keep]
                residual, jacobian = residual[keep], jacobian[keep]
            if index.size == 0:
                break
    return done


def _damped(gram: Array, gradient: Array, damping: Array, held: NDArray[np.bool_]) -> Array:
    """The Levenberg-Marquardt step over coordinates that are not held, [b, q]."""
    size = gram.shape[1]
    if size == 0:
        return np.zeros_like(gradient)
    scale = np.maximum(np.einsum("bii->bi", gram), 1e-300)
    matrix = gram + (damping[:, None] * scale)[:, :, None] * np.eye(size)
    matrix = np.where(held[:, :, None] | held[:, None, :], scale[:, :, None] * np.eye(size), matrix)
    root = np.sqrt(scale)
    scaled = matrix / root[:, :, None] / root[:, None, :] + 1e-15 * np.eye(size)
    return np.asarray(-np.linalg.solve(scaled, (gradient / root)[..., None])[..., 0] / root)
