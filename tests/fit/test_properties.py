"""What must hold for any table: units, order, weights, bias; and bad tables told in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling import laws
from scaling.errors import InputError
from scaling.fit import Objective, fit, huber, squared
from scaling.laws.formula import law_of

LAW = laws.get("chinchilla")
TRUTH = battery.truth(LAW)
FEW = settings(max_examples=12, deadline=None)
objectives = st.sampled_from([huber(1e-3), huber(1e-2), squared(), Objective("student_t", 5e-3)])


def noisy(seed: int = 0, noise: float = 0.01) -> pd.DataFrame:
    return battery.table(LAW, TRUTH, noise, seed)


# --- invariances
# ------------------------------------------------------------------------------------


@FEW
@given(
    st.integers(0, 50), st.sampled_from(["N", "D"]), st.floats(-6, 6).map(lambda e: 10.0**e),
    objectives,
)  # fmt: skip
def test_units_of_n_or_d_change_only_its_amplitude(
    seed: int, name: str, factor: float, objective: Objective
) -> None:
    table = noisy(seed)
    before = fit(LAW, table, draws=0, objective=objective)
    after = fit(LAW, table.assign(**{name: table[name] * factor}), draws=0, objective=objective)
    assert after.value == pytest.approx(before.value, rel=1e-9)
    amplitude, slope = {"N": ("A", "alpha"), "D": ("B", "beta")}[name]
    for other in set(LAW.params) - {amplitude}:
        assert after.params[other] == pytest.approx(before.params[other], rel=1e-6), other
    scaled = before.params[amplitude] * factor ** before.params[slope]
    assert after.params[amplitude] == pytest.approx(scaled, rel=1e-5)
    a, b = (float(found.exponents()["a"].point) for found in (before, after))
    assert a == pytest.approx(b, rel=1e-6)


@FEW
@given(st.integers(0, 50), st.floats(0.2, 20), objectives)
def test_losses_in_other_units_scale_e_a_and_b(
    seed: int, factor: float, objective: Objective
) -> None:
    """On the log scale a unit is a shift: nats or bits, the exponents are the same."""
    table = noisy(seed)
    before = fit(LAW, table, draws=0, objective=objective)
    after = fit(LAW, table.assign(loss=table["loss"] * factor), draws=0, objective=objective)
    for name in ("alpha", "beta"):
        assert after.params[name] == pytest.approx(before.params[name], rel=1e-6)
    for name in ("E", "A", "B"):
        assert after.params[name] == pytest.approx(factor * before.params[name], rel=1e-5)


@FEW
@given(st.integers(0, 50), st.randoms(use_true_random=False), objectives)
def test_row_order_changes_no_bit(seed: int, random: Any, objective: Objective) -> None:
    table = noisy(seed)
    order = list(range(len(table)))
    random.shuffle(order)
    one = fit(LAW, table, draws=10, objective=objective)
    two = fit(LAW, table.iloc[order], draws=10, objective=objective)
    assert one.params == two.params
    assert one.value == two.value
    np.testing.assert_array_equal(one.draws, two.draws)


@FEW
@given(st.integers(0, 50), st.sets(st.integers(0, 41), min_size=1, max_size=20), objectives)
def test_two_half_weight_copies_of_a_row_are_one(
    seed: int, split: set[int], objective: Objective
) -> None:
    table = noisy(seed).assign(w=1.0)
    twice = pd.concat([table, table.iloc[sorted(split)]], ignore_index=True)
    twice.loc[sorted(split), "w"] = 0.5
    twice.loc[len(table) :, "w"] = 0.5
    one = fit(LAW, table, draws=0, objective=objective)
    two = fit(LAW, twice, draws=0, objective=objective, weight="w")
    assert two.value == pytest.approx(one.value, rel=1e-10)
    for name, value in one.params.items():
        assert two.params[name] == pytest.approx(value, rel=1e-6), name


@FEW
@given(st.integers(0, 50), st.floats(0.01, 100))
def test_a_common_weight_changes_nothing_but_the_objective(seed: int, weight: float) -> None:
    table = noisy(seed)
    one = fit(LAW, table, draws=0)
    two = fit(LAW, table.assign(w=weight), draws=0, weight="w")
    assert two.value == pytest.approx(weight * one.value, rel=1e-10)
    for name, value in one.params.items():
        assert two.params[name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("objective", [huber(1e-3), squared()], ids=str)
def test_unbiased_on_noisy_truth(objective: Objective) -> None:
    """Means over 60 noisy tables are the truth, to within their own standard error (times 3.5)."""
    found = [fit(LAW, noisy(seed, 0.003), draws=0, objective=objective) for seed in range(60)]
    answers = {
        **{name: [f.params[name] for f in found] for name in ("E", "alpha", "beta")},
        "ln A": [np.log(f.params["A"]) for f in found],
        "ln B": [np.log(f.params["B"]) for f in found],
        "a": [float(f.exponents()["a"].point) for f in found],
    }
    a = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
    truth = {**TRUTH, "ln A": np.log(TRUTH["A"]), "ln B": np.log(TRUTH["B"]), "a": a}
    for name, values in answers.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - truth[name]) < 3.5 * error, name


def test_fixed_parameters_trade_off_with_nothing() -> None:
    found = fit(LAW, noisy(), draws=50, fixed={"E": TRUTH["E"], "alpha": TRUTH["alpha"]})
    assert not any("E and" in note or "alpha trade" in note for note in found.diagnostics.weak)


# --- bad tables
# -------------------------------------------------------------------------------------


@FEW
@given(
    st.sampled_from(["N", "D", "loss"]),
    st.sampled_from(
        [(0.0, "zero or negative"), (-1.0, "zero or negative"), (np.inf, "infinite"),
         (-np.inf, "infinite"), (np.nan, "NaN or empty")]
    ),
    st.integers(0, 41),
)  # fmt: skip
def test_a_bad_number_is_named_with_its_column_and_row(
    name: str, bad: tuple[float, str], row: int
) -> None:
    table = noisy()
    table.loc[row, name] = bad[0]
    with pytest.raises(InputError) as told:
        fit(LAW, table, draws=0)
    for piece in (f"column {name}", bad[1], f"row {row + 1}"):
        assert piece in str(told.value)


@FEW
@given(st.integers(1, 4), st.integers(1, 6))
def test_duplicate_points_do_not_count_as_more(distinct: int, copies: int) -> None:
    few = pd.concat([noisy().iloc[[0, 8, 16, 30][:distinct]]] * copies, ignore_index=True)
    with pytest.raises(InputError, match=f"{distinct} distinct runs are too few for the 5"):
        fit(LAW, few, draws=0)


@pytest.mark.parametrize("name", ["N", "D", "loss"])
def test_a_constant_column_is_told(name: str) -> None:
    table = noisy()
    found = fit(LAW, table.assign(**{name: float(table[name].median())}), draws=0)
    words = "the loss is the same on all rows" if name == "loss" else f"{name} is the same on all"
    assert words in found.status


@FEW
@given(st.floats(0.1, 1000))
def test_one_ray_is_told(ratio: float) -> None:
    N = np.geomspace(1e6, 1e9, 15)
    loss = LAW.predict(N=N, D=ratio * N, **TRUTH) * np.exp(
        0.01 * np.random.default_rng(0).normal(size=15)
    )
    found = fit(LAW, pd.DataFrame({"N": N, "D": ratio * N, "loss": loss}), draws=0)
    assert "one ray" in found.status
    assert "not identified separately" in found.status


def test_losses_below_the_bound_of_e_are_told() -> None:
    table = noisy()
    least = float(table["loss"].min())
    high = fit(LAW, table, draws=0, bounds={"E": (2 * least, 3 * least)})
    assert "E ended at its bound" in high.status
    with pytest.raises(InputError, match="need every loss above E"):
        fit(LAW, table, draws=0, on="log_reducible", bounds={"E": (2 * least, 3 * least)})


@pytest.mark.parametrize(
    "formula",
    [
        "E + A/M**alpha",
        "E + open('x')/N",
        "E + __import__('os').system('true')*N",
        "E + N.real",
        "E + A/N**",
        "E + (lambda: 1)()*N",
        "E + [N for N in D][0]",
        "",
        "N + D",
    ],
)
def test_a_formula_that_is_none_is_told(formula: str) -> None:
    table = noisy()
    columns = {name: table[name].to_numpy(float) for name in table.columns}
    with pytest.raises(InputError):
        law_of(formula, columns)
