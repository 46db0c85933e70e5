"""What every law must pass: called on each member of the registry, and on any law of a user's
own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import Cost, counted
from scaling.fit import fit, squared
from scaling.fit.build import build
from scaling.fit.prediction import numeric_n, optimal_n
from scaling.laws import Law

Array = NDArray[np.float64]


def design() -> dict[str, Array]:
    """A full grid of 7 sizes x 6 token counts."""
    N, D = np.meshgrid(np.geomspace(1e5, 1e9, 7), np.geomspace(3e6, 3e10, 6))
    return {"N": N.ravel(), "D": D.ravel()}


def truth(law: Law) -> dict[str, float]:
    """Parameters at which each term matters in the middle of the design."""
    x = {name: design()[name] for name in law.variables}
    _, coordinates = build(law, x, np.ones(len(design()["N"])), squared(), "log_loss")
    u, slope = [], 0.29
    for name in coordinates.names:
        if name in coordinates.intercepts():
            u.append(-0.3 + 0.2 * len(u))
        elif name == "E":
            u.append(1.6)
        elif name == "k":
            u.append(1.8)
        else:
            u.append(slope)
            slope += 0.08
    return {name: float(value) for name, value in coordinates.decode(np.array(u)).items()}


def table(law: Law, params: dict[str, float], noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    x = design()
    variables = {name: x[name] for name in law.variables}
    error = noise * np.random.default_rng(seed).normal(size=len(x["N"]))
    return pd.DataFrame({**x, "loss": law.predict(**variables, **params) * np.exp(error)})


def recovers_truth(law: Law) -> None:
    """Noise-free data give the parameters back to 8 digits."""
    expected = truth(law)
    found = fit(law, table(law, expected), draws=0)
    assert found.converged, found.status
    for name, value in expected.items():
        assert np.isclose(found.params[name], value, rtol=1e-8), (name, found.params[name], value)


def form_is_the_formula(law: Law) -> None:
    """Value, gradient and Hessian of the law's form equal those got from `predict` alone."""
    params = {name: 1.01 * value for name, value in truth(law).items()}
    data = table(law, truth(law), noise=0.01)
    x = {name: data[name].to_numpy() for name in law.variables}
    loss = data["loss"].to_numpy()
    plain = replace(law, form=None)
    for on in ("log_loss", "loss"):
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
    for on in ("log_loss", "loss"):
        problem, coordinates = build(law, x, data["loss"].to_numpy(), squared(), on)
        u = coordinates.encode({name: 1.02 * value for name, value in truth(law).items()})
        weights = np.arange(1.0, 1.0 + problem.rows)[None]
        here = problem.local(u[None], weights)
        for i in range(problem.size):
            step = np.zeros(problem.size)
            step[i] = 1e-5
            pair = problem.local(np.stack([u + step, u - step]), weights)
            slope = (pair.value[0] - pair.value[1]) / 2e-5
            np.testing.assert_allclose(here.gradient[0, i], slope, rtol=1e-6)
            bend = (pair.gradient[0] - pair.gradient[1]) / 2e-5
            scale = np.abs(here.hessian[0]).max()
            np.testing.assert_allclose(here.hessian[0, i], bend, rtol=1e-5, atol=1e-7 * scale)


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
    """Data with N counted in other units give the same losses, and the same exponents."""
    data = table(law, truth(law), noise=0.01)
    before = fit(law, data, draws=0, objective=squared())
    after = fit(law, data.assign(N=data["N"] * factor), draws=0, objective=squared())
    np.testing.assert_allclose(after.value, before.value, rtol=1e-10)
    np.testing.assert_allclose(after.residuals, before.residuals, rtol=0, atol=1e-7)
    moved = {"A", "B", "Nc"} if law.name.endswith("tied") else {"A", "Nc"}
    for name in set(law.params) - moved:
        np.testing.assert_allclose(after.params[name], before.params[name], rtol=1e-6)
    if "A" in law.params:
        expected = before.params["A"] * factor ** before.params["alpha"]
        np.testing.assert_allclose(after.params["A"], expected, rtol=1e-6)


EVERY = (recovers_truth, form_is_the_formula, local_model_is_exact, closed_form_is_the_optimum)
