"""Every law of the registry passes the battery; the registry finds and names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit import fit, squared
from scaling.laws import Law, exponent, log, positive
from scaling.laws.bnsl import bnsl
from scaling.laws.symbols import meaning_of, range_of


@pytest.mark.parametrize("check", battery.EVERY, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", laws.names())
def test_battery(name: str, check: Callable[[Law], None]) -> None:
    check(laws.get(name))


@pytest.mark.parametrize("factor", [1e-3, pytest.param(7.0, marks=pytest.mark.slow)])
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


@pytest.mark.parametrize("name", laws.names())
def test_every_symbol_has_a_meaning_and_every_law_a_source(name: str) -> None:
    law = laws.get(name)
    assert law.reference
    for symbol in (*law.variables, *law.params):
        assert meaning_of(law, symbol), symbol
    for variable in law.variables:
        low, high = range_of(law, variable)
        assert low < high


@pytest.mark.parametrize("name", laws.published)
def test_published_parameters_are_all_there_and_inside_the_bounds(name: str) -> None:
    item = laws.published[name]
    law = laws.get(item.law)
    assert set(item.params) == set(law.params)
    for symbol, kind in law.params.items():
        assert kind.lower <= item.params[symbol] <= kind.upper, symbol
    assert item.reference
    assert item.read


def test_three_breaks_by_the_same_battery() -> None:
    law = bnsl(3)
    battery.recovers_truth(law)
    battery.form_is_the_formula(law)
    battery.local_model_is_exact(law)


def test_a_broken_law_bends_from_one_exponent_to_the_next() -> None:
    p = {"a": 0.0, "b": 2.0, "c0": 0.1, "d1": 1e5, "c1": 0.4, "f1": 0.2}
    predict = laws.get("bnsl1").predict
    for x, slope in ((1e1, -0.1), (1e9, -0.5)):
        low, high = predict(x=x, **p), predict(x=1.01 * x, **p)
        assert np.log(high / low) / np.log(1.01) == pytest.approx(slope, rel=1e-6)


def test_m4_solves_its_own_equation() -> None:
    x, p = np.geomspace(1, 1e12, 60), {"e": 0.2, "e0": 0.9, "b": 3.0, "c": 0.4, "alpha": 1.7}
    L = laws.get("m4").predict(x=x, **p)
    left = (L - p["e"]) / (p["e0"] - L) ** p["alpha"]
    np.testing.assert_allclose(left, p["b"] * x ** -p["c"], rtol=1e-9)
    m2 = {"e": 0.2, "b": 3.0, "c": 0.4}
    near = laws.get("m4").predict(x=x, e0=1e9, alpha=0.02, **m2 | {"b": 3.0 * 1e9**-0.02})
    np.testing.assert_allclose(near, laws.get("m2").predict(x=x, **m2), rtol=1e-8)


def test_m4_has_derivatives_where_it_has_not_left_chance() -> None:
    """With a small alpha the loss is e0 to the last digit: e0 - L, as a difference, is zero."""
    form = laws.get("m4").form
    assert form is not None
    z = np.linspace(-3.0, 30.0, 50)
    e, e0, alpha = np.full(50, 0.5), np.full(50, 6.0), np.full(50, 0.02)
    jet = form.core((e, e0, z, alpha))
    assert (jet.value == e0).any()
    assert np.isfinite([*jet.gradient, *jet.hessian.values()]).all()
    (at_chance,) = np.flatnonzero(z == 30.0)
    assert [g[at_chance] for g in jet.gradient] == pytest.approx([0.0, 1.0, 0.0, 0.0], abs=1e-12)


def test_busbridge_at_gamma_1_is_hoffmann() -> None:
    p = dict(laws.published["hoffmann2022"].params)
    x = battery.design()
    ours = laws.get("busbridge").predict(**x, **p, gamma=1.0)
    np.testing.assert_allclose(ours, laws.get("chinchilla").predict(**x, **p), rtol=1e-14)


def test_rosenfeld_is_the_modulus() -> None:
    p = {"eps0": 0.9, "a": 30.0, "b": 20.0, "c": 0.1, "alpha": 0.3, "beta": 0.25}
    x = battery.design()
    t = p["a"] * x["D"] ** -0.3 + p["b"] * x["N"] ** -0.25 + p["c"]
    np.testing.assert_allclose(
        laws.get("rosenfeld").predict(**x, **p), 0.9 * np.abs(t / (t - 1j)), rtol=1e-13
    )


def test_muennighoff_without_repetition_or_excess_is_hoffmann() -> None:
    p = dict(laws.published["muennighoff2023"].params)
    plain = {name: p[name] for name in ("E", "A", "B", "alpha")}
    hoffmann = laws.get("chinchilla_tied")
    D = np.array([1e9, 1e10])
    assert hoffmann.optimum is not None
    N = 0.5 * (p["A"] / p["B"]) ** (1 / p["alpha"]) * D  # half of the optimum for D tokens
    predict = laws.get("muennighoff_tied").predict
    fresh = predict(N=N, D=D, D_unique=2 * D, **p)
    np.testing.assert_allclose(fresh, hoffmann.predict(N=N, D=D, **plain), rtol=1e-14)
    optimum = hoffmann.optimum(6 * (2 * N) * D, plain)
    np.testing.assert_allclose(2 * N, optimum, rtol=1e-12)
    for more in ({"N": 4 * N, "D": D, "D_unique": D}, {"N": N, "D": 4 * D, "D_unique": D}):
        worth = predict(**more, **p)
        assert (worth < fresh).all()
        assert (worth > hoffmann.predict(N=more["N"], D=more["D"], **plain)).all()


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("c4_original", "c4"), ("rpj", "redpajama"), ("rw_original", "refinedweb")],
)
def test_gadres_released_runs_give_the_printed_digits(
    dataset: str, name: str, shared_data: Path
) -> None:
    """The runs that the paper fits: four at 20 tokens per parameter and the least at 320; for the
    error also the one of 1.4B."""
    table = pd.read_csv(shared_data / "gadre_overtraining.csv").query("dataset == @dataset")
    small = table[(table.token_multiplier == 20) & (table.N < 5e8)]
    over = table[(table.token_multiplier == 320) & (table.N < 2e7)]
    large = table[(table.token_multiplier == 20) & table.N.between(1e9, 2e9)]
    runs = pd.concat([small, over])
    how = {"objective": squared(), "on": "loss", "draws": 0}
    found = fit("gadre", runs[["N", "D", "loss"]], **how).params
    printed = laws.published[f"gadre2024_{name}"].params
    assert [round(found["E"], 2), round(found["eta"], 3)] == [printed["E"], printed["eta"]]
    assert [round(found["a"]), round(found["b"])] == [printed["a"], printed["b"]]
    error = pd.concat([runs, large]).rename(columns={"loss": "x", "err_avg_subset": "error"})
    found = fit("gadre_error", error[["x", "error"]], **how).params
    printed = laws.published[f"gadre2024_error_{name}"].params
    digits = {"eps": 3, "k": 2, "g": 3}
    assert {key: round(found[key], n) for key, n in digits.items()} == printed


def test_kaplans_table_6_at_one_petaflop_day() -> None:
    item = laws.published["kaplan2020_allocation"]
    found = laws.get(item.law).predict(C=8.64e19, **item.params)
    assert found == pytest.approx(1.3e9)
    item = laws.published["kaplan2020_cmin"]
    assert laws.get(item.law).predict(C=3.1e8 * 8.64e19, **item.params) == pytest.approx(1.0)


def test_each_law_is_declared_by_one_file() -> None:
    listed = [law.name for members in laws.families().values() for law in members]
    assert sorted(listed) == list(laws.names())
