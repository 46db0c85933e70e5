"""Objectives with a kink or a fitted scale, as a sequence of smooth problems for any engine.

Absolute residuals are the limit of Huber's penalty for delta -> 0: each stage starts where the one
before it ended, with a smaller delta, and the last is a vertex at which p residuals vanish. Huber's
density with a fitted scale alternates between the scale and the parameters.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType

import numpy as np

from scaling.fit.objective import Objective, huber
from scaling.fit.problem import Array, Problem, Solutions

_SHRINK = 10.0  # delta falls by no more a stage
_LAST = 1e-9  # the last delta, as a part of the first
_ROUNDS = 60  # of scale and parameters in turn
_VERTEX_STEPS = 8
_STAGED = ("absolute", "huber_scaled")


def solve(problem: Problem, starts: Array, engine: ModuleType) -> Solutions:
    """Minimise from each start [b, p]."""
    found = solve_many(problem, np.ones((len(starts), problem.rows)), starts, engine)
    best = int(np.argmin(found.value))
    if problem.objective.name not in _STAGED and not found.converged[best]:
        found = Solutions.join([found, engine.solve(problem, found.u[best : best + 1])])
    return _at_vertices(problem, found) if problem.objective.name == "absolute" else found


def solve_many(
    problem: Problem,
    weights: Array,
    starts: Array,
    engine: ModuleType,
    shifts: Array | None = None,
) -> Solutions:
    """Minimise under each row of weights [b, rows], with targets moved by shifts [b, rows], from
    starts [p] or [b, p]."""
    shifts = np.zeros((len(weights), 1)) if shifts is None else shifts
    ways = {"absolute": _absolute, "huber_scaled": _scaled}
    way = ways.get(problem.objective.name)
    if way is None:
        solved: Solutions = engine.solve_many(problem, weights, starts, shifts)
        return solved
    return way(problem, weights, starts, engine, shifts)


def sharpen(problem: Problem, u: Array, engine: ModuleType) -> Array:
    """The last digits of a minimum u [p], where the objective is smooth."""
    if problem.objective.name in _STAGED:
        return u
    sharp: Array = engine.sharpen(problem, u)
    return sharp


def fitted_scale(problem: Problem, u: Array) -> float | None:
    """The scale of the residuals where the objective fits one."""
    if problem.objective.name != "huber_scaled":
        return None
    weights = problem.weights[None]
    return float(_scale_of(problem.residuals(u)[None], weights, problem.objective.delta)[0])


def _absolute(
    problem: Problem, weights: Array, starts: Array, engine: ModuleType, shifts: Array
) -> Solutions:
    first = problem.objective.delta
    deltas = np.geomspace(first, _LAST * first, 1 + round(-np.log10(_LAST)))
    u = starts
    for delta in deltas:
        found: Solutions = engine.solve_many(_huberised(problem, float(delta)), weights, u, shifts)
        u = found.u
    value = problem.value(found.u, weights * problem.weights, shifts)
    return Solutions(found.u, value, found.converged, found.iterations)


def _at_vertices(problem: Problem, found: Solutions) -> Solutions:
    """Each solution moved onto the point where its p smallest residuals vanish, where that is
    lower."""
    u, value = found.u.copy(), found.value.copy()
    for i, start in enumerate(found.u):
        point = _vertex(problem, start)
        there = float(problem.value(point[None], problem.weights[None])[0])
        if np.isfinite(there) and there <= value[i] * (1 + 1e-15):
            u[i], value[i] = point, there
    return Solutions(u, value, found.converged, found.iterations)


def _vertex(problem: Problem, u: Array) -> Array:
    """Newton on the p rows that the law nearly interpolates; coordinates at a bound stay there."""
    free = (u > problem.lower) & (u < problem.upper)
    rows = np.argsort(np.abs(problem.residuals(u)))[: int(free.sum())]
    u = u.copy()
    with np.errstate(all="ignore"):
        for _ in range(_VERTEX_STEPS):
            square = problem.jacobian(u)[rows][:, free]
            try:
                step = np.linalg.solve(square, -problem.residuals(u)[rows])
            except np.linalg.LinAlgError:
                break
            u[free] += step
    return np.clip(u, problem.lower, problem.upper)


def _scaled(
    problem: Problem, weights: Array, starts: Array, engine: ModuleType, shifts: Array
) -> Solutions:
    """Minimise sum w (rho(r/s) + ln s + ln Z) over parameters and the scale s in turn."""
    width = problem.objective.delta
    full = weights * problem.weights
    found: Solutions = engine.solve_many(
        _huberised(problem, huber().delta), weights, starts, shifts
    )
    delta = np.full(len(full), huber().delta)
    before = np.full(len(full), np.inf)
    for _ in range(_ROUNDS):
        residuals = problem.residuals(found.u) - shifts
        scale = _scale_of(residuals, full, width)
        value = _negative_log_density(residuals, full, scale, width)
        still = np.abs(before - value) <= 1e-13 * np.abs(value)
        if (still & np.isclose(delta, scale * width, rtol=1e-6)).all():
            break
        before = value
        delta = np.maximum(scale * width, delta / _SHRINK)
        # Engines know one delta, and problems differ in theirs: residuals are left as they are, and
        # the problems are taken one by one where there is more than one.
        found = Solutions.join(
            [
                engine.solve_many(
                    _huberised(problem, float(d)), weights[i : i + 1], found.u[i], shifts[i : i + 1]
                )
                for i, d in enumerate(delta)
            ]
        )
    residuals = problem.residuals(found.u) - shifts
    scale = _scale_of(residuals, full, width)
    value = _negative_log_density(residuals, full, scale, width)
    return Solutions(found.u, value, found.converged, found.iterations)


def _huberised(problem: Problem, delta: float) -> Problem:
    return replace(problem, objective=huber(delta))


def _scale_of(residuals: Array, weights: Array, width: float) -> Array:
    """The s at which sum w psi(r/s) r/s = sum w, by bisection of ln s: [b, rows] -> [b]."""
    size = np.abs(residuals)
    low = np.log(np.maximum(size.max(axis=1), 1e-300)) - 60.0
    high = np.log(np.maximum(size.max(axis=1), 1e-300)) + 5.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        z = size / np.exp(middle)[:, None]
        above = (weights * np.minimum(z, width) * z).sum(axis=1) > weights.sum(axis=1)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)))


def _negative_log_density(residuals: Array, weights: Array, scale: Array, width: float) -> Array:
    penalty = Objective("huber", width)(residuals / scale[:, None]).value
    normal = np.sqrt(2 * np.pi) * math.erf(width / np.sqrt(2)) + 2 / width * np.exp(-(width**2) / 2)
    total = weights.sum(axis=1)
    return np.asarray((weights * penalty).sum(axis=1) + total * (np.log(scale) + np.log(normal)))
