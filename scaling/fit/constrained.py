"""Minimise an objective with one function of the coordinates held at a value, many values at once.

A feasible method: every iterate satisfies the constraint. A step is Newton's within the
constraint's tangent plane, with the Hessian of the Lagrangian, damped as in `engine_newton`; the
point is then brought back onto the constraint along the direction that changes the fitted losses
least (the generalised reduced gradient of Abadie & Carpentier 1969, with second derivatives). So
the objective alone says which of two points is better, and no penalty has to be tuned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.fit.engine_newton import scaled_solve
from scaling.fit.problem import Array, Local, Problem, Solutions

Gap = Callable[[Any, Array], Any]  # (u [..., p] real or complex, values [...]) -> [...]

_MAX_ITERATIONS = 200
_TOLERANCE = 1e-13  # of the predicted decrease, relative to the objective
_CHUNK = 60_000  # points x rows that are worked on at once: they stay in cache
_TINY = 1e-30  # complex step: exact first derivatives
_STEP = 1e-5  # real step for second ones
_MET = 1e-11  # gap at which a constraint holds
_ROUNDS = 25  # of corrections back onto the constraint


def solve(problem: Problem, gap: Gap, values: Array, starts: Array) -> Solutions:
    """Minimise with gap(u, values[i]) = 0 from starts[i]: values [b], starts [b, p].

    A value that cannot be reached from its start ends with an infinite objective, not converged.
    """
    size = max(1, _CHUNK // problem.rows)
    return Solutions.join(
        [
            _minimise(problem, gap, values[i : i + size], starts[i : i + size])
            for i in range(0, len(values), size)
        ]
    )


def _minimise(problem: Problem, gap: Gap, values: Array, starts: Array) -> Solutions:
    weights = problem.weights[None]
    count = len(values)
    done = Solutions(
        np.clip(starts, problem.lower, problem.upper),
        np.full(count, np.inf),
        np.zeros(count, dtype=bool),
        np.zeros(count),
    )
    with np.errstate(all="ignore"):  # a step may overflow: it is refused, as its value isn't finite
        metric = problem.local(done.u, weights).metric
        u, met = _onto(problem, gap, values, done.u, metric)
        index = np.flatnonzero(met)
        u, values = u[met], values[met]
        if index.size == 0:
            return done
        here = problem.local(u, weights)
        damping = np.full(len(u), 1e-2)
        for iteration in range(_MAX_ITERATIONS):
            step, predicted = _step(problem, gap, values, u, here, damping)
            moved, met = _onto(problem, gap, values, u + step, here.metric)
            there = problem.local(moved, weights)
            actual = here.value - there.value
            tiny = np.abs(predicted) <= _TOLERANCE * here.value
            better = met & np.isfinite(there.value) & (actual > 0)
            accept = better & (tiny | (predicted > 0) & (actual > 1e-4 * predicted))
            good = accept & (actual > 0.5 * predicted)
            damping = np.where(good, damping * 0.1, damping)
            damping = np.where(damping < 1e-9, 0.0, damping)
            damping = np.where(accept, damping, np.maximum(10 * damping, 1e-3))
            u = np.where(accept[:, None], moved, u)
            here = Local(
                np.where(accept, there.value, here.value),
                np.where(accept[:, None], there.gradient, here.gradient),
                np.where(accept[:, None, None], there.hessian, here.hessian),
                np.where(accept[:, None, None], there.metric, here.metric),
            )
            solved = tiny & (damping <= 1e-1) | (here.value <= problem.floor)
            leave = solved | (damping > 1e12) | (iteration == _MAX_ITERATIONS - 1)
            if leave.any():
                out = index[leave]
                done.u[out], done.value[out] = u[leave], here.value[leave]
                done.converged[out] = (solved | tiny)[leave]
                done.iterations[out] = iteration + 1
                keep = ~leave
                index, u, values, damping = index[keep], u[keep], values[keep], damping[keep]
                here = here.at(keep)
            if index.size == 0:
                break
    done.value[np.isnan(done.value)] = np.inf
    return done


def slope(gap: Gap, u: Array, values: Array) -> Array:
    """d gap / d u at u [b, p], by complex steps: [b, p]."""
    size = u.shape[-1]
    moved = u[..., None, :] + 1j * _TINY * np.eye(size)
    return np.asarray(np.imag(gap(moved, values[..., None])) / _TINY)


def _curvature(gap: Gap, u: Array, values: Array) -> Array:
    """Second derivatives of the gap by u [b, p], central differences of its slope: [b, p, p]."""
    step = _STEP * (1.0 + np.abs(u))[..., None, :] * np.eye(u.shape[-1])
    many = np.broadcast_to(values[:, None], u.shape)
    up, down = slope(gap, u[:, None] + step, many), slope(gap, u[:, None] - step, many)
    second = (up - down) / (2 * _STEP * (1.0 + np.abs(u)))[..., None]
    return 0.5 * (second + second.transpose(0, 2, 1))


def _onto(
    problem: Problem, gap: Gap, values: Array, u: Array, metric: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """u [b, p] moved onto the constraint inside the box, and where that succeeded [b]."""
    u = np.clip(u, problem.lower, problem.upper)
    scale = np.einsum("bii->bi", metric)
    ridge = 1e-6 * scale + 1e-12 * scale.max(axis=1, keepdims=True) + 1e-300
    matrix = metric + np.eye(problem.size) * ridge[:, None, :]
    identity = np.eye(problem.size)
    value = gap(u, values)
    for _ in range(_ROUNDS):
        if (~(np.abs(value) > _MET)).all():
            break
        normal = slope(gap, u, values)
        push = -np.sign(value)[:, None] * normal  # the way each coordinate would have to go
        stuck = ((u <= problem.lower) & (push < 0)) | ((u >= problem.upper) & (push > 0))
        normal = np.where(stuck, 0.0, normal)
        masked = np.where(stuck[:, :, None] | stuck[:, None, :], identity, matrix)
        masked = np.where(np.isfinite(masked), masked, identity)
        direction = scaled_solve(masked, np.nan_to_num(normal), np.where(stuck, 1.0, scale + ridge))
        along = np.einsum("bi,bi->b", normal, direction)
        move = np.where(along > 0, -value / along, 0.0)[:, None] * direction
        moved = np.clip(u + np.nan_to_num(move), problem.lower, problem.upper)
        there = gap(moved, values)
        closer = (np.abs(there) < np.abs(value))[:, None]
        # a correction that overshoots is halved until it helps
        moved = np.where(closer | ~np.isfinite(move), moved, np.clip(
            u + 0.25 * np.nan_to_num(move), problem.lower, problem.upper))  # fmt: skip
        u, value = moved, gap(moved, values)
    return u, np.abs(value) <= _MET


def _step(
    problem: Problem, gap: Gap, values: Array, u: Array, here: Local, damping: Array
) -> tuple[Array, Array]:
    """The damped step in the tangent plane and the box [b, p], and the decrease it predicts [b]."""
    size = problem.size
    normal = slope(gap, u, values)
    scale = np.einsum("bii->bi", here.metric)
    scale = np.maximum(scale, 1e-14 * scale.max(axis=1, keepdims=True) + 1e-300)
    d = 1.0 / np.sqrt(scale)
    # the multiplier that makes the Lagrangian's gradient least, in the metric's scale
    lam = -((normal * here.gradient) * d**2).sum(1) / ((normal * d) ** 2).sum(1)
    lagrangian = here.gradient + lam[:, None] * normal
    hessian = here.hessian + lam[:, None, None] * _curvature(gap, u, values)
    matrix = hessian + damping[:, None, None] * here.metric
    matrix = matrix + np.eye(size) * (1e-15 * scale)[:, None, :]
    matrix = matrix * d[:, :, None] * d[:, None, :]
    fixed = ((u <= problem.lower) & (lagrangian > 0)) | ((u >= problem.upper) & (lagrangian < 0))
    step = np.zeros_like(u)
    for _ in range(size):
        on = ~fixed
        n = np.where(on, normal * d, 0.0)
        length = np.maximum(np.sqrt((n**2).sum(axis=1)), 1e-300)
        n = n / length[:, None]
        taken = np.where(fixed, step, 0.0) / d
        back = -(normal * d * taken).sum(axis=1) / length  # what held coordinates moved off
        right = -lagrangian * d - np.einsum("bij,bj->bi", matrix, taken)
        kkt = np.zeros((len(u), size + 1, size + 1))
        kkt[:, :size, :size] = np.where(on[:, :, None] & on[:, None, :], matrix, np.eye(size))
        kkt[:, :size, size] = kkt[:, size, :size] = n
        kkt[:, size, size] = -1e-14  # solvable even where every coordinate that matters is held
        full = np.concatenate([np.where(on, right, 0.0), back[:, None]], axis=1)
        found = _solve(np.nan_to_num(kkt), np.nan_to_num(full))[:, :size] * d
        step = np.where(fixed, step, found)
        inside = np.clip(u + step, problem.lower, problem.upper) - u
        over = ~fixed & (inside != (u + step) - u)
        step = inside
        if not over.any():
            break
        fixed = fixed | over
    curved = np.einsum("bi,bij,bj->b", step, hessian, step)
    return step, -(np.einsum("bi,bi->b", lagrangian, step) + 0.5 * curved)


def _solve(matrix: Array, right: Array) -> Array:
    """Batched linear solve of indefinite systems; a singular one gets a ridge."""
    try:
        return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        ridge = 1e-10 * np.eye(right.shape[1])
        return np.asarray(np.linalg.solve(matrix + ridge, right[..., None])[..., 0])
