"""Numbers that carry derivatives agree with complex steps, for every law of the registry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.laws import Law, log
from scaling.laws.dual import Dual
from scaling.laws.generic import form_of


@pytest.mark.parametrize("name", laws.names())
def test_derivatives_of_every_law(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law = replace(laws.get(name), form=None)
    x = {v: values for v, values in battery.design(law).items() if v in law.variables}
    truth = battery.truth(laws.get(name))
    y = tuple(
        np.full((1, len(x[law.variables[0]])), np.log(v) if law.params[k].scale == "log" else v)
        for k, v in truth.items()
    )
    exact = form_of(law, x).core(y)
    monkeypatch.setattr("scaling.laws.generic.Dual", lambda value, first: value)  # carries nothing
    stepped = form_of(law, x).core(y)
    np.testing.assert_allclose(exact.value, stepped.value, rtol=1e-12)
    for one, two in zip(exact.gradient, stepped.gradient, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12 * np.abs(two).max())
    largest = max(np.abs(h).max() for h in stepped.hessian.values())
    for pair, two in stepped.hessian.items():
        one = exact.hessian.get(pair, np.zeros_like(two))
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7 * largest)


def test_functions_that_carry_nothing_are_differentiated_by_steps() -> None:
    odd = Law(
        name="odd",
        formula="A sinh(x)^b",
        predict=lambda x, *, A, b: A * np.sinh(b * x),
        params={"A": log(), "b": log()},
        variables=("x",),
    )
    x = {"x": np.linspace(0.5, 2, 5)}
    jet = form_of(odd, x).core((np.full((1, 5), np.log(2.0)), np.full((1, 5), np.log(0.7))))
    np.testing.assert_allclose(jet.gradient[1][0], 2 * 0.7 * x["x"] * np.cosh(0.7 * x["x"]))
    with pytest.raises(TypeError):
        np.sinh(Dual(np.ones(3), {0: 1.0}))


def test_by_hand() -> None:
    a, b = Dual(np.array(2.0), {0: 1.0}), Dual(np.array(3.0), {1: 1.0})
    f = np.log(a**b) / (1 - a) + 5.0  # b ln a / (1 - a) + 5
    assert float(f.value) == pytest.approx(5 - 3 * np.log(2))
    assert float(f.first[1]) == pytest.approx(-np.log(2))
    assert float(f.first[0]) == pytest.approx(3 * (-1 / 2 + np.log(2)))
    assert float(f.second[0, 1]) == pytest.approx(-1 / 2 + np.log(2))
    assert float(f.second[0, 0]) == pytest.approx(3 * (1 / 4 + 1 - 2 * np.log(2)))
    assert float(f.second.get((1, 1), 0.0)) == pytest.approx(0.0, abs=1e-15)
    big = np.where(np.real(a) > 1, a, b)
    assert (float(big.value), float(big.first[0]), float(big.first[1])) == (2.0, 1.0, 0.0)
