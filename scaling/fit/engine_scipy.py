"""The reference engine that every other must agree with: SciPy's `least_squares`, one problem at a
time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares, root

from scaling.fit.problem import Array, Problem, Solutions

NAME = "scipy"


def solve(problem: Problem, starts: Array) -> Solutions:
    """Minimise from each start [b, p], rows weighing as the problem says."""
    return solve_many(problem, np.ones((len(starts), problem.rows)), starts)


def solve_many(
    problem: Problem, weights: Array, starts: Array, shifts: Array | None = None
) -> Solutions:
    """Minimise under each row of weights [b, rows], on top of the problem's own, with targets moved
    by shifts [b, rows], from starts [p] or [b, p]."""
    starts = np.broadcast_to(starts, (len(weights), problem.size))
    shifts = np.zeros((len(weights), 1)) if shifts is None else shifts
    each = zip(starts, weights * problem.weights, shifts, strict=True)
    return _stack([_solve_one(problem, *one) for one in each])


def _solve_one(
    problem: Problem, start: Array, weights: Array, shift: Array
) -> tuple[Array, float, bool, int]:
    # SciPy minimises sum f_scale^2 rho((r / f_scale)^2) / 2 with one rho for both signs of r, so an
    # asymmetric penalty stretches the residuals themselves; rho may differ by row, hence weights.
    objective = problem.objective
    stretched = objective.name == "asymmetric"
    penalty = replace(objective, name="huber") if stretched else objective
    scale = 1.0 if objective.name == "squared" else objective.delta

    def residuals(u: Array) -> Array:
        r = problem.residuals(u) - shift
        return objective.stretch(r) * r if stretched else r

    def jacobian(u: Array) -> Array:
        # the derivative of a term that has vanished may come as 0 * inf: it is 0
        j = np.nan_to_num(problem.jacobian(u), posinf=0.0, neginf=0.0)
        return objective.stretch(problem.residuals(u) - shift)[:, None] * j if stretched else j

    def rho(z: Array) -> Array:
        r = scale * np.sqrt(z)
        at = penalty(r)
        second = np.where(r > 0, (at.curvature - at.weight) / (2 * np.maximum(z, 1e-300)), 0.0)
        return np.stack([weights * row for row in (2 * at.value / scale**2, at.weight, second)])

    margin = 1e-12 * (1 + np.abs(start))  # its interior method cannot start on a bound
    inside = np.clip(start, problem.lower + margin, problem.upper - margin)
    with np.errstate(all="ignore"):  # a trial step may overflow: it is refused, not being finite
        result = least_squares(
            residuals,
            inside,
            jac=jacobian,
            bounds=(problem.lower, problem.upper),
            loss=rho,  # type: ignore[arg-type]  # the stubs want a wider array type
            f_scale=scale,
            x_scale="jac",
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
            max_nfev=2000,
        )
    return result.x, float(result.cost), bool(result.success), int(result.nfev)


def sharpen(problem: Problem, u: Array) -> Array:
    """The last digits of a minimum u [p]: MINPACK's root of the gradient, next to u."""
    weights = problem.weights[None]
    free = (u > problem.lower + 1e-9) & (u < problem.upper - 1e-9)

    def whole(v: Array) -> Array:
        full = u.copy()
        full[free] = v
        return full[None]

    def gradient(v: Array) -> Array:
        return np.asarray(problem.local(whole(v), weights).gradient[0, free])

    def hessian(v: Array) -> Array:
        return np.asarray(problem.local(whole(v), weights).hessian[0][np.ix_(free, free)])

    with np.errstate(all="ignore"):
        found = root(gradient, u[free], jac=hessian, tol=1e-15)
        there, here = problem.value(whole(found.x), weights), problem.value(u[None], weights)
    inside = (whole(found.x)[0] >= problem.lower) & (whole(found.x)[0] <= problem.upper)
    better = np.isfinite(there[0]) and there[0] <= here[0] * (1 + 1e-12) and inside.all()
    return np.asarray(whole(found.x)[0] if better else u)


def _stack(found: list[tuple[Array, float, bool, int]]) -> Solutions:
    return Solutions(
        np.array([u for u, _, _, _ in found]),
        np.array([value for _, value, _, _ in found]),
        np.array([ok for _, _, ok, _ in found]),
        np.array([n for _, _, _, n in found], dtype=float),
    )
