"""What every law must pass: called on each member of the registry, and on any law of a user's
own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc

from scaling.cost import Cost, counted
from scaling.fit import Fit, fit, squared
from scaling.fit.build import build
from scaling.fit.prediction import numeric_n, optimal_n
from scaling.fit.problem import Scale
from scaling.laws import Law, published
from scaling.laws.generic import seeds_of
from scaling.laws.symbols import range_of

Array = NDArray[np.float64]

_PLANE = (7, 6)  # points along each of two variables
_SPACE = 128  # points of three variables or more


def design(law: Law | None = None) -> dict[str, Array]:
    """Runs over the usual range of each variable: 7 sizes x 6 token counts for laws of N and D.

    Other laws get 42 points of one variable, a grid of two, and a low-discrepancy set of more;
    variables that span decades are spread evenly in the logarithm.
    """
    if law is None or set(law.variables) <= {"N", "D"}:
        N, D = np.meshgrid(np.geomspace(1e5, 1e9, 7), np.geomspace(3e6, 3e10, 6))
        return {"N": N.ravel(), "D": D.ravel()}
    size = len(law.variables)
    if size == 1:
        unit = np.linspace(0, 1, _PLANE[0] * _PLANE[1])[:, None]
    elif size == 2:
        axes = np.meshgrid(*(np.linspace(0, 1, n) for n in _PLANE))
        unit = np.stack([axis.ravel() for axis in axes], axis=1)
    else:
        unit = qmc.Sobol(size, scramble=False).random(_SPACE)
    return {name: _spread(unit[:, i], *range_of(law, name)) for i, name in enumerate(law.variables)}


def _spread(unit: Array, low: float, high: float) -> Array:
    """Points of [0, 1] between low and high; evenly in the logarithm where there are decades."""
    if low > 0 and high / low >= 10:
        return np.asarray(low * (high / low) ** unit)
    return np.asarray(low + (high - low) * unit)


def printed(law: Law) -> list[dict[str, float]]:
    """Every set of published parameters of the law."""
    return [
        {name: float(item.params[name]) for name in law.params}
        for item in published.values()
        if item.law == law.name
    ]


def truth(law: Law) -> dict[str, float]:
    """Parameters at which each term matters: by the law's form, from print, or by its starts."""
    if law.form is not None:
        return _balanced(law)
    return (printed(law) or [_middling(law)])[0]


def _balanced(law: Law) -> dict[str, float]:
    """Parameters at which each term of the law's form matters in the middle of the design, and
    places, such as breaks, divide it evenly."""
    x = {name: design(law)[name] for name in law.variables}
    _, coordinates = build(law, x, np.ones(len(x[law.variables[0]])), squared(), "log_loss")
    places = [name for name in coordinates.names if coordinates.kind(name).along]
    u, slope = [], 0.29
    for name in coordinates.names:
        if name in places:
            logs = np.log(x[coordinates.kind(name).along])
            part = (places.index(name) + 1) / (len(places) + 1)
            u.append(logs.min() + part * np.ptp(logs) - logs.mean())
        elif name in coordinates.intercepts():
            u.append(-0.3 + 0.2 * len(u))
        elif name == "E":
            u.append(1.6)
        elif name == "k":
            u.append(1.8)
        else:
            u.append(slope)
            slope += 0.08
    return {name: float(value) for name, value in coordinates.decode(np.array(u)).items()}


def _middling(law: Law) -> dict[str, float]:
    """Outer parameters from the middle of their grids of starts, off its points; linear ones such
    that their terms are of one size."""
    x = {name: design(law)[name] for name in law.variables}
    seeds = seeds_of(law)
    ones = np.ones(len(x[law.variables[0]]))
    outer = {
        name: np.array([[float(np.quantile(grid, 0.35 + 0.11 * (i % 4), method="linear"))]])
        for i, (name, grid) in enumerate(seeds.outer(x, ones).items())
    }
    basis = np.asarray(seeds.linearise(x, ones, outer).basis)
    sizes = np.abs(basis).mean(axis=tuple(range(basis.ndim - 1)))
    amplitudes = (1.0 + 0.3 * np.arange(len(sizes))) / sizes
    found = seeds.assemble({name: v[0, 0] for name, v in outer.items()}, amplitudes)
    return {name: float(found[name]) for name in law.params}


def table(law: Law, params: dict[str, float], noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    x = design(law)
    variables = {name: x[name] for name in law.variables}
    seen = law.predict(**variables, **params)
    error = noise * np.random.default_rng(seed).normal(size=len(seen))
    return pd.DataFrame({**x, law.response: seen * np.exp(error)})


def residuals_of(law: Law) -> Scale:
    """Log loss, unless what the law predicts may be negative."""
    return "log_loss" if (table(law, truth(law))[law.response] > 0).all() else "loss"


def recovers_truth(law: Law) -> None:
    """Noise-free data give the parameters back to 8 digits, ours and each set that was printed; or
    else every prediction, where the law says why its parameters stay open."""
    for expected in (truth(law), *printed(law)):
        data = table(law, expected)
        found = fit(law, data, draws=0, on=residuals_of(law))
        assert found.converged, found.status
        if law.open_directions:
            x = {name: data[name].to_numpy() for name in law.variables}
            np.testing.assert_allclose(found.predict(**x), data[law.response], rtol=1e-8)
            continue
        for name, value in expected.items():
            near = np.isclose(found.params[name], value, rtol=1e-8, atol=0)
            assert near, (name, found.params[name], value)


def predict_is_analytic(law: Law) -> None:
    """Complex steps through `predict` differentiate it by each variable and parameter."""
    x = {name: values for name, values in design(law).items() if name in law.variables}
    rng = np.random.default_rng(1)
    point = {
        **{name: v * np.exp(0.01 * rng.normal(size=len(v))) for name, v in x.items()},
        **{name: 1.01 * value for name, value in truth(law).items()},
    }
    for name, value in point.items():
        step = 1e-6 * np.abs(value).max() if name in law.params else 1e-6 * np.abs(value)
        step = np.maximum(step, 1e-9)
        up, down = (law.predict(**{**point, name: value + s}) for s in (step, -step))
        exact = np.imag(law.predict(**{**point, name: value + 1e-30j * step})) / 1e-30
        rough = 0.5 * (up - down)
        np.testing.assert_allclose(exact, rough, rtol=1e-4, atol=1e-9 * np.abs(up).max())


def form_is_the_formula(law: Law) -> None:
    """Value and gradient of the law's form, if it has one, equal those from `predict` alone."""
    if law.form is None:
        return
    params = {name: 1.01 * value for name, value in truth(law).items()}
    data = table(law, truth(law), noise=0.01)
    x = {name: data[name].to_numpy() for name in law.variables}
    loss = data[law.response].to_numpy()
    plain = replace(law, form=None)
    for on in dict.fromkeys((residuals_of(law), "loss")):
        problem, coordinates = build(law, x, loss, squared(), on)
        other, others = build(plain, x, loss, squared(), on)
        u, v = coordinates.encode(params), others.encode(params)
        np.testing.assert_allclose(problem.residuals(u), other.residuals(v), rtol=0, atol=1e-12)
        # the coordinates differ: compare in the plain ones, through du/dv by complex-free steps
        step = 1e-6 * np.eye(len(v))
        map_ = np.array(
            [
                (
                    coordinates.encode(others.decode(v + s))
                    - coordinates.encode(others.decode(v - s))
                )
                / 2e-6
                for s in step
            ]
        ).T
        np.testing.assert_allclose(
            problem.jacobian(u) @ map_, other.jacobian(v), rtol=1e-6, atol=1e-7
        )


def local_model_is_exact(law: Law) -> None:
    """Gradient and Hessian of the objective equal finite differences of value and gradient."""
    data = table(law, truth(law), noise=0.02)
    x = {name: data[name].to_numpy() for name in law.variables}
    for on in dict.fromkeys((residuals_of(law), "loss")):
        problem, coordinates = build(law, x, data[law.response].to_numpy(), squared(), on)
        u = coordinates.encode({name: 1.02 * value for name, value in truth(law).items()})
        weights = np.arange(1.0, 1.0 + problem.rows)[None]
        here = problem.local(u[None], weights)
        for i in range(problem.size):
            step = np.zeros(problem.size)
            step[i] = 1e-4
            near = problem.local(u + np.array([[1], [-1], [2], [-2]]) * step, weights)
            slope = _fourth_order(near.value) / 1e-4
            np.testing.assert_allclose(here.gradient[0, i], slope, rtol=1e-6)
            bend = _fourth_order(near.gradient) / 1e-4
            scale = np.abs(here.hessian[0]).max()
            np.testing.assert_allclose(here.hessian[0, i], bend, rtol=1e-5, atol=1e-7 * scale)


def _fourth_order(values: Array) -> Array:
    """Difference quotient times the step, from values at +1, -1, +2 and -2 steps."""
    return np.asarray((8 * (values[0] - values[1]) - (values[2] - values[3])) / 12)


def closed_form_is_the_optimum(law: Law) -> None:
    """The closed form, where there is one, equals the numeric optimum; exponents are its slopes."""
    if law.optimum is None:
        return
    params = {name: np.array([value]) for name, value in truth(law).items()}
    C = np.geomspace(1e13, 1e22, 4)
    column = {name: value[:, None] for name, value in params.items()}
    closed = optimal_n(law, params, C, Cost())
    np.testing.assert_allclose(closed, numeric_n(law, column, C, Cost()), rtol=1e-10)
    N = np.geomspace(1e3, 1e12, 9)
    same = counted(N, np.full(9, 1e9), 6e9 * N)  # a counted cost that happens to be 6ND
    np.testing.assert_allclose(closed, optimal_n(law, params, C, same), rtol=1e-10)
    assert law.exponents is not None
    a, b = law.exponents(truth(law))
    slopes = np.diff(np.log(closed[0])) / np.diff(np.log(C))
    np.testing.assert_allclose(slopes, a, rtol=1e-9)
    assert np.isclose(a + b, 1.0)


def scales_as_it_must(law: Law, factor: float) -> None:
    """Data counted in other units give the same losses, the same exponents and the same E."""
    variable = next((name for name in law.variables if name not in law.own_units), None)
    if variable is None:
        return
    on = residuals_of(law)

    def fitted(noise: float, factor: float) -> Fit:
        data = table(law, truth(law), noise)
        scaled = data.assign(**{variable: data[variable] * factor})
        return fit(law, scaled, draws=0, objective=squared(), on=on)

    before, after = fitted(0.01, 1.0), fitted(0.01, factor)
    np.testing.assert_allclose(after.value, before.value, rtol=1e-10)
    np.testing.assert_allclose(after.residuals, before.residuals, rtol=0, atol=1e-7)
    if law.open_directions:
        return
    exact = fitted(0.0, factor)  # where noise leaves no parameter open
    expected = truth(law)
    for name, kind in law.params.items():
        if kind.scale == "linear" and np.isfinite(kind.lower):
            np.testing.assert_allclose(exact.params[name], expected[name], rtol=1e-6)
    if {"A", "alpha"} <= set(law.params) and variable == "N":
        amplitude = expected["A"] * factor ** expected["alpha"]
        np.testing.assert_allclose(exact.params["A"], amplitude, rtol=1e-6)


EVERY = (
    recovers_truth,
    predict_is_analytic,
    form_is_the_formula,
    local_model_is_exact,
    closed_form_is_the_optimum,
)
