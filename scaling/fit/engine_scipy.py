"""The reference engine that every other must agree with: SciPy's `least_squares`, one problem at a
time."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from scaling.fit.problem import Array, Problem, Solutions

NAME = "scipy"


def solve(problem: Problem, starts: Array) -> Solutions:
    """Minimise from each start [b, p]; all rows weigh 1."""
    ones = np.ones(problem.rows)
    return _stack([_solve_one(problem, start, ones) for start in starts])


def solve_many(problem: Problem, weights: Array, start: Array) -> Solutions:
    """Minimise under each row of weights [b, rows] from one start [p]."""
    return _stack([_solve_one(problem, start, row) for row in weights])


def _solve_one(problem: Problem, start: Array, weights: Array) -> tuple[Array, float, bool, int]:
    # SciPy minimises sum f_scale^2 rho((r / f_scale)^2) / 2; rho may differ by row, so it takes
    # weights
    delta = problem.objective.delta if problem.objective.name == "huber" else 1.0

    def rho(z: Array) -> Array:
        if problem.objective.name == "squared":
            return np.stack([weights * z, weights, np.zeros_like(z)])
        outside = z > 1
        root = np.sqrt(np.where(outside, z, 1.0))
        value = np.where(outside, 2 * root - 1, z)
        second = np.where(outside, -0.5 / root**3, 0.0)
        return np.stack([weights * value, weights / root, weights * second])

    margin = 1e-12 * (1 + np.abs(start))  # its interior method cannot start on a bound
    inside = np.clip(start, problem.lower + margin, problem.upper - margin)
    with np.errstate(all="ignore"):  # a trial step may overflow: it is refused, not being finite
        result = least_squares(
            problem.residuals,
            inside,
            jac=problem.jacobian,
            bounds=(problem.lower, problem.upper),
            loss=rho,  # type: ignore[arg-type]  # the stubs want a wider array type
            f_scale=delta,
            x_scale="jac",
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
            max_nfev=2000,
        )
    return result.x, float(result.cost), bool(result.success), int(result.nfev)


def _stack(found: list[tuple[Array, float, bool, int]]) -> Solutions:
    return Solutions(
        np.array([u for u, _, _, _ in found]),
        np.array([value for _, value, _, _ in found]),
        np.array([ok for _, _, ok, _ in found]),
        np.array([n for _, _, _, n in found], dtype=float),
    )
