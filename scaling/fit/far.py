"""From starts that lie far away: Levenberg-Marquardt, before Newton's method takes over.

Seeds of a law start near a minimum, where exact second derivatives are best. Far from one they
point to saddles and runaways; the Gauss-Newton metric does not, damped in the largest scale that
each coordinate has had (More 1978), with damping that is raised and lowered gently, as long curved
valleys need (Nielsen 1999). The first step is no longer than the start itself.
"""

from __future__ import annotations

import numpy as np

from scaling.fit.problem import Array, Problem

_MAX_ITERATIONS = 3000
_TOLERANCE = 1e-13  # of the predicted decrease, relative to the objective
_LEAST, _MOST = 1e-15, 1e15  # damping


def approach(problem: Problem, starts: Array) -> Array:
    """Near a minimum from each start [b, p], or as near as it got."""
    return np.concatenate([_approach(problem, start[None]) for start in starts])


def _approach(problem: Problem, start: Array) -> Array:
    weights = problem.weights[None]
    u = np.clip(start, problem.lower, problem.upper)
    damping, growth = 1.0, 2.0
    first = True
    with np.errstate(all="ignore"):  # a step may overflow: it is refused, as its value isn't finite
        here = problem.local(u, weights)
        scale = _diagonal(here.metric)
        for _ in range(_MAX_ITERATIONS):
            step = _step(here.metric[0], here.gradient[0], damping, scale)
            there_u = np.clip(u + step, problem.lower, problem.upper)
            moved = (there_u - u)[0]
            predicted = -(here.gradient[0] @ moved + 0.5 * moved @ here.metric[0] @ moved)
            there = problem.local(there_u, weights)
            actual = here.value[0] - there.value[0]
            too_far = first and scale @ moved**2 > max(float(scale @ u[0] ** 2), 1.0)
            accept = bool(np.isfinite(there.value[0]) and actual > 1e-4 * predicted and not too_far)
            if predicted <= _TOLERANCE * here.value[0] or damping > _MOST:
                return there_u if accept else u
            if accept:
                damping = max(damping * _change(actual / predicted), _LEAST)
                growth, first = 2.0, False
                u, here = there_u, there
                scale = np.maximum(scale, _diagonal(here.metric))
            else:
                damping, growth = damping * growth, growth**2
    return u


def _change(ratio: float) -> float:
    """Of the damping, by how much of the predicted decrease there was."""
    if ratio > 0.5:
        return 0.3
    return 2.0 if ratio < 0.25 else 1.0


def _diagonal(metric: Array) -> Array:
    return np.asarray(np.maximum(np.einsum("bii->bi", metric)[0], 1e-300))


def _step(metric: Array, gradient: Array, damping: float, scale: Array) -> Array:
    d = 1.0 / np.sqrt(scale)
    scaled = metric * d[:, None] * d + damping * np.eye(len(d))
    try:
        return np.asarray(-np.linalg.solve(scaled, gradient * d) * d)
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.nan)  # is refused, and damped more
