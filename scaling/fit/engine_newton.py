"""The default engine: damped Newton in a box, all starts or all bootstrap replicates at once.

Steps solve (H + damping * G) s = -g with H the exact Hessian and G the reweighted Gauss-Newton
metric, which is what makes it global: with much damping a step is one of iteratively reweighted
least squares, with none it is Newton's. Coordinates at a bound that the gradient pushes outward are
held (Bertsekas 1982). Solved problems leave the batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.fit.far import approach
from scaling.fit.problem import Array, Local, Problem, Solutions

NAME = "newton"
_MAX_ITERATIONS = 500
_TOLERANCE = 1e-13  # of the predicted decrease, relative to the objective
_SHARPENING = 6
_CHUNK = 60_000  # points x rows that are worked on at once: they stay in cache


def solve(problem: Problem, starts: Array) -> Solutions:
    """Minimise from each start [b, p], which may lie far from any minimum."""
    return _chunked(problem, approach(problem, starts), problem.weights[None])


def solve_many(
    problem: Problem, weights: Array, starts: Array, shifts: Array | None = None
) -> Solutions:
    """Minimise under each row of weights [b, rows], on top of the problem's own, with targets moved
    by shifts [b, rows], from starts [p] or [b, p]."""
    starts = np.broadcast_to(starts, (len(weights), problem.size))
    return _chunked(problem, starts, weights * problem.weights, shifts)


def _chunked(
    problem: Problem, starts: Array, weights: Array, shifts: Array | None = None
) -> Solutions:
    count, size = len(starts), max(1, _CHUNK // problem.rows)
    weights = np.broadcast_to(weights, (count, problem.rows))
    shifts = np.zeros((count, 1)) if shifts is None else shifts
    parts = [
        _minimise(
            problem, np.array(starts[i : i + size]), weights[i : i + size], shifts[i : i + size]
        )
        for i in range(0, count, size)
    ]
    return Solutions.join(parts)


def _minimise(problem: Problem, starts: Array, weights: Array, shifts: Array) -> Solutions:
    count = len(starts)
    done = Solutions(
        np.clip(starts, problem.lower, problem.upper),
        np.full(count, np.inf),
        np.zeros(count, dtype=bool),
        np.full(count, float(_MAX_ITERATIONS)),
    )
    index = np.arange(count)  # of the problems still at work
    u = done.u.copy()
    damping = np.full(count, 1e-2)
    with np.errstate(all="ignore"):  # a step may overflow: it is refused, as its value isn't finite
        here = problem.local(u, weights, shifts)
        for iteration in range(_MAX_ITERATIONS):
            step, predicted = _step(problem, u, here, damping)
            there_u = np.clip(u + step, problem.lower, problem.upper)
            there = problem.local(there_u, weights, shifts)
            actual = here.value - there.value
            tiny = np.abs(predicted) <= _TOLERANCE * here.value
            better = np.isfinite(there.value) & (actual > 0)
            accept = better & ((predicted > 0) & (actual > 1e-4 * predicted))
            accept |= better & tiny  # rounding rules the ratio there: any decrease is welcome
            ratio = np.where(predicted > 0, actual / predicted, -1.0)
            damping = np.where(accept & (ratio > 0.5), damping * 0.1, damping)
            damping = np.where(damping < 1e-9, 0.0, damping)
            damping = np.where(accept, damping, np.maximum(10 * damping, 1e-3))
            u = np.where(accept[:, None], there_u, u)
            here = Local(
                np.where(accept, there.value, here.value),
                np.where(accept[:, None], there.gradient, here.gradient),
                np.where(accept[:, None, None], there.hessian, here.hessian),
                np.where(accept[:, None, None], there.metric, here.metric),
            )
            solved = tiny & (damping <= 1e-1) | (here.value <= problem.floor)
            stalled = damping > 1e12
            leave = solved | stalled | (iteration == _MAX_ITERATIONS - 1)
            if leave.any():
                out = index[leave]
                value = np.where(np.isfinite(here.value), here.value, np.inf)
                done.u[out], done.value[out] = u[leave], value[leave]
                rest = solved
                if (leave & ~solved).any():
                    rest = solved | _at_rest(problem, u, here)
                done.converged[out] = rest[leave]
                done.iterations[out] = iteration + 1
                keep = ~leave
                index, u, damping = index[keep], u[keep], damping[keep]
                weights, shifts = weights[keep], shifts[keep]
                here = here.at(keep)
            if index.size == 0:
                break
    return done


def sharpen(problem: Problem, u: Array) -> Array:
    """The last digits of a minimum u [p]: Newton's steps while the gradient falls.

    Near a minimum the objective is flat to rounding long before its gradient is.
    """
    weights = problem.weights[None]
    with np.errstate(all="ignore"):  # a step may overflow: it is refused
        for _ in range(_SHARPENING):
            here = problem.local(u[None], weights)
            step, _ = _step(problem, u[None], here, np.zeros(1))
            moved = np.clip(u + step[0], problem.lower, problem.upper)
            there = problem.local(moved[None], weights)
            unit = np.sqrt(np.maximum(np.einsum("bii->bi", here.metric), 1e-300))
            before, after = _pull(problem, u, here) / unit, _pull(problem, moved, there) / unit
            higher = there.value[0] > here.value[0] * (1 + 1e-12)
            if higher or not after.max() < before.max():
                break
            u = moved
    return u


def _pull(problem: Problem, u: Array, here: Local) -> Array:
    """The size of the gradient by each coordinate that is not held, [1, p]."""
    return np.where(held(problem, u[None], here.gradient), 0.0, np.abs(here.gradient))


def held(problem: Problem, u: Array, gradient: Array) -> NDArray[np.bool_]:
    """Coordinates at a bound that the gradient pushes further out, [b, p]."""
    at_lower = (u <= problem.lower) & (gradient > 0)
    at_upper = (u >= problem.upper) & (gradient < 0)
    return at_lower | at_upper


def _step(problem: Problem, u: Array, here: Local, damping: Array) -> tuple[Array, Array]:
    """The damped step inside the box [b, p], and the decrease that its model predicts [b].

    Coordinates that the step would take out of the box stop at their bound, and the others are
    solved again given that: merely clipping them would creep along the bound for ever.
    """
    identity = np.eye(problem.size)
    scale = np.einsum("bii->bi", here.metric)
    ridge = 1e-15 * scale + 1e-300
    matrix = here.hessian + damping[:, None, None] * here.metric + identity * ridge[:, None, :]
    fixed = held(problem, u, here.gradient)
    step = np.zeros_like(u)
    for _ in range(problem.size):
        right = -here.gradient - np.einsum("bij,bj->bi", matrix, np.where(fixed, step, 0.0))
        masked = np.where(fixed[:, :, None] | fixed[:, None, :], identity, matrix)
        solved = scaled_solve(masked, np.where(fixed, 0.0, right), scale)
        step = np.where(fixed, step, solved)
        inside = np.clip(u + step, problem.lower, problem.upper) - u
        over = ~fixed & (inside != (u + step) - u)
        step = inside
        if not over.any():
            break
        fixed = fixed | over
    curved = np.einsum("bi,bij,bj->b", step, here.hessian, step)
    predicted = -(np.einsum("bi,bi->b", here.gradient, step) + 0.5 * curved)
    return step, predicted


def scaled_solve(matrix: Array, right: Array, scale: Array) -> Array:
    """Batched linear solve, coordinates scaled to be of one size; a singular one gets a ridge."""
    d = 1.0 / np.sqrt(np.maximum(scale, 1e-300))
    scaled = matrix * d[:, :, None] * d[:, None, :]
    try:
        return np.linalg.solve(scaled, (right * d)[..., None])[..., 0] * d
    except np.linalg.LinAlgError:
        largest = np.abs(scaled).max(axis=(1, 2), keepdims=True)
        scaled = scaled + 1e-10 * largest * np.eye(right.shape[1])
        return np.linalg.solve(scaled, (right * d)[..., None])[..., 0] * d


def _at_rest(problem: Problem, u: Array, here: Local) -> NDArray[np.bool_]:
    """Whether an undamped step would gain nothing worth having: 1e-10 of the objective."""
    _, predicted = _step(problem, u, here, np.full(len(u), 1e-6))
    return (predicted >= 0) & (predicted <= 1e-10 * here.value + problem.floor)
