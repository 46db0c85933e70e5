"""Budgets, their minima, and the optima and rules that rest on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from batteries.profiles import TRUTH
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.cost import Cost, counted
from scaling.fit.budgets import budget_numbers, budgets_of, local_minimum
from scaling.forecast.rollouts.truth import truth_of
from scaling.forecast.rows import near_optimal, rows_of
from scaling.forecast.rules import RULES, by_rules, size_at


def test_budgets_are_found_though_their_compute_jitters(profiles: pd.DataFrame) -> None:
    jitter = np.exp(np.random.default_rng(0).uniform(-0.02, 0.02, len(profiles)))
    found = budgets_of(profiles.N.to_numpy(), profiles.C.to_numpy() * jitter)
    assert [len(item.rows) for item in found] == [7] * 6
    np.testing.assert_allclose([b.C for b in found], np.unique(profiles.C), rtol=0.02)


def test_a_grid_of_sizes_and_tokens_is_no_isoflop_table() -> None:
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 7), np.geomspace(1e9, 9e10, 6)))
    assert rows_of(pd.DataFrame({"N": N, "D": D, "loss": 3.0})).budgets == ()


@given(
    at=st.floats(-0.8, 0.8), curvature=st.floats(0.02, 0.2), skew=st.floats(-0.005, 0.005),
    shift=st.floats(-5, 5),
)  # fmt: skip
def test_the_minimum_of_a_cubic_profile_is_found(
    at: float, curvature: float, skew: float, shift: float
) -> None:
    x = np.linspace(-1.5, 1.5, 9)
    loss = 3 * np.exp(curvature * (x - at) ** 2 + skew * (x - at) ** 3)
    found = local_minimum(x + shift, loss)
    assert found.known
    assert found.n == pytest.approx(at + shift, abs=0.02)
    assert np.exp(found.loss) == pytest.approx(3, rel=1e-4)


def test_a_profile_without_a_minimum_inside_is_not_known() -> None:
    x = np.linspace(0, 2, 8)
    assert not local_minimum(x, 3 - 0.1 * x).known
    assert not local_minimum(x[:3], 3 + x[:3] ** 2).known


def test_the_truth_of_a_known_law_and_its_waste(profiles: pd.DataFrame) -> None:
    truth = truth_of(rows_of(profiles))
    t = TRUTH
    G = (t["alpha"] * t["A"] / (t["beta"] * t["B"])) ** (1 / (t["alpha"] + t["beta"]))
    N = G * (truth.C / 6) ** (t["beta"] / (t["alpha"] + t["beta"]))
    np.testing.assert_allclose(truth.n, np.log(N), atol=0.25)
    assert truth.waste(2, float(truth.n[2])) == 0
    up, far = (truth.waste(2, float(truth.n[2] + x)) for x in (0.5, 1.0))
    assert 0 < up < far < 1000
    # against the law itself: the compute with which N_opt reaches the loss of 2.7 N_opt
    n, C = float(np.log(N[3])) + 1, float(truth.C[3])
    missed = t["E"] + t["A"] / np.exp(n * t["alpha"]) + t["B"] / (C / 6 / np.exp(n)) ** t["beta"]
    grid = np.linspace(np.log(C / 4), np.log(C), 4001)
    size = G * (np.exp(grid) / 6) ** (t["beta"] / (t["alpha"] + t["beta"]))
    tokens = np.exp(grid) / 6 / size
    best = t["E"] + t["A"] / size ** t["alpha"] + t["B"] / tokens ** t["beta"]
    exact = 100 * (C / np.exp(grid[np.abs(best - missed).argmin()]) - 1)
    assert truth.waste(3, float(truth.n[3]) + 1) == pytest.approx(exact, rel=0.35)


def test_what_no_cheaper_row_beats_is_near_optimal(profiles: pd.DataFrame) -> None:
    rows = rows_of(profiles)
    near = near_optimal(rows, 0.05)
    lowest = pd.Series(rows.loss).groupby(rows.C).transform("min").to_numpy()
    np.testing.assert_array_equal(near, rows.loss <= 1.05 * lowest)
    free = rows_of(pd.DataFrame({"N": [1e6, 1e6, 1e7], "D": [1e7, 2e7, 3e7], "loss": [3, 4, 2.0]}))
    assert near_optimal(free, 0.05).tolist() == [True, False, True]


@given(C=st.floats(1e15, 1e25), ratio=st.floats(0.1, 1000))
@settings(max_examples=30, deadline=None)
def test_a_size_for_tokens_per_parameter_spends_the_compute(C: float, ratio: float) -> None:
    N = np.geomspace(1e6, 1e10, 5)
    for cost in (Cost(), counted(N, N, (6 * N + 100 * N**0.6) * N)):
        size = float(size_at(cost, C, ratio))
        assert float(cost.flops_per_token(size)) * ratio * size == pytest.approx(C, rel=1e-6)


def test_naive_rules(profiles: pd.DataFrame) -> None:
    rows = rows_of(profiles)
    found = by_rules(rows, 1e22)
    assert found["twenty"] == pytest.approx(np.sqrt(1e22 / 120))
    last = rows.budgets[-1]
    at = local_minimum(np.log(rows.N[last.rows]), rows.loss[last.rows])
    assert found["last_minimum"] == pytest.approx(np.exp(at.n) * np.sqrt(1e22 / last.C))
    free = rows_of(profiles.assign(C=profiles.C * np.geomspace(1, 30, len(profiles))))
    assert set(by_rules(free, 1e22)) == {"twenty"}
    assert set(RULES) == {"twenty", "last_minimum"}


def test_numbers_of_budgets_follow_compute() -> None:
    assert budget_numbers(np.log([9.0, 1.0, 1.02, 3.0])).tolist() == [2, 0, 0, 1]
