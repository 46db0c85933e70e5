"""Every law of the registry passes the battery; the registry finds and names them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit import fit
from scaling.laws import Law, exponent, log, positive


@pytest.mark.parametrize("check", battery.EVERY, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", laws.names())
def test_battery(name: str, check: Callable[[Law], None]) -> None:
    check(laws.get(name))


@pytest.mark.parametrize("factor", [1e-3, 7.0])
@pytest.mark.parametrize("name", laws.names())
def test_units_change_only_amplitudes(name: str, factor: float) -> None:
    battery.scales_as_it_must(laws.get(name), factor)


def test_a_users_own_law_needs_only_its_formula() -> None:
    own = Law(
        name="own",
        formula="E + A/N^alpha + B/D^beta",
        predict=lambda N, D, *, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
        params={"E": positive(), "A": log(), "B": log(), "alpha": exponent(), "beta": exponent()},
        linear=("E", "A", "B"),
    )
    shipped = laws.get("chinchilla")
    data = battery.table(shipped, battery.truth(shipped), noise=0.01)
    ours, theirs = fit(own, data, draws=20), fit(shipped, data, draws=20)
    np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-12)
    np.testing.assert_allclose(ours.draws, theirs.draws, rtol=1e-4)


def test_registry_lists_names_and_the_nearest() -> None:
    assert {"chinchilla", "chinchilla_tied", "kaplan", "kaplan_n", "kaplan_d", "pnorm"} <= set(
        laws.names()
    )
    with pytest.raises(InputError, match=r"no law called 'chinchila'.*did you mean chinchilla\?"):
        laws.get("chinchila")


def test_a_law_refuses_linear_names_that_are_no_parameters() -> None:
    with pytest.raises(ValueError, match="B"):
        Law(name="x", formula="", predict=lambda: 0, params={"A": log()}, linear=("B",))


def test_power_mean_is_the_plain_sum_at_1_and_the_larger_term_at_large_k() -> None:
    p = {"E": 1.0, "A": 50.0, "B": 90.0, "alpha": 0.3, "beta": 0.3}
    N, D = np.geomspace(1e3, 1e9, 5), np.geomspace(1e9, 1e3, 5)
    predict = laws.get("pnorm").predict
    np.testing.assert_allclose(
        predict(N=N, D=D, k=1.0, **p), laws.get("chinchilla").predict(N=N, D=D, **p), rtol=1e-14
    )
    larger = 1 + np.maximum(50 / N**0.3, 90 / D**0.3)
    np.testing.assert_allclose(predict(N=N, D=D, k=200.0, **p), larger, rtol=1e-2)
