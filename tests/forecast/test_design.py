"""The next runs: what they narrow, by linear algebra done again, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputError
from scaling.forecast.designs.believed import believed
from scaling.forecast.designs.chosen import Joint, choose, gains
from scaling.forecast.designs.design import Candidate, Design, design
from scaling.forecast.rollouts.truths import Case

TARGET, BUDGET = 3e22, 1e20


def ladder(sizes: int = 6, lengths: int = 6) -> list[Candidate]:
    return [
        Candidate(float(N), float(D), float(6 * N * D), f"{i}.{j}")
        for i, N in enumerate(np.geomspace(4e7, 4e9, sizes))
        for j, D in enumerate(np.geomspace(8e8, 8e10, lengths))
    ]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return Case("chinchilla", "grid", 0.005, 0).table


@pytest.fixture(scope="module")
def chosen(table: pd.DataFrame) -> Design:
    return design(table, ladder(), target=TARGET, budget=BUDGET, draws=300)


def joint(seed: int, n: int = 12, same: bool = False) -> Joint:
    """Observations and three quantities of one random normal."""
    root = np.random.default_rng(seed).normal(size=(n + 3, n + 3))
    whole = root @ root.T
    if same:
        whole[1] = whole[0]
        whole[:, 1] = whole[:, 0]
    noise = np.full(n, 0.5)
    return Joint(whole[:n, :n], noise, whole[n:, :n], whole.diagonal()[n:])


def test_what_is_left_is_the_schur_complement() -> None:
    one = joint(0)
    chosen = [3, 7, 1]
    inner = one.covariance[np.ix_(chosen, chosen)] + 0.5 * np.eye(3)
    cross = one.with_them[:, chosen]
    expected = one.variance - np.diag(cross @ np.linalg.inv(inner) @ cross.T)
    np.testing.assert_allclose(one.left(chosen), expected, rtol=1e-12)
    np.testing.assert_allclose(gains(one, chosen).sum(axis=0), one.variance - expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_a_choice_is_nearly_the_best_of_all(seed: int) -> None:
    one, cost = joint(seed, 9), np.random.default_rng(seed).uniform(1, 5, size=9)
    budget = 8.0
    subsets = [[i for i in range(9) if number >> i & 1] for number in range(2**9)]
    able = [s for s in subsets if cost[s].sum() <= budget]
    best = min(one.left(s)[0] for s in able)
    found = choose(one, cost, budget, 0)
    assert cost[found].sum() <= budget
    assert one.variance[0] - one.left(found)[0] >= 0.9 * (one.variance[0] - best)


def test_cheap_observations_are_taken_before_dear_ones_that_say_the_same() -> None:
    one = joint(1, 6, same=True)
    found = choose(one, np.array([10.0, 1.0, 1, 1, 1, 1]), 14.0, 0)
    assert 0 not in found or 1 in found


def test_a_design_spends_within_its_budget_and_narrows(chosen: Design) -> None:
    runs = ladder()
    assert [runs[i] for i in chosen.chosen] == list(chosen.runs)
    assert len(set(chosen.chosen)) == len(chosen.chosen) > 1
    assert chosen.spent == pytest.approx(sum(run.C for run in chosen.runs))
    assert chosen.spent <= BUDGET
    assert 0 < chosen.width_after.loss < chosen.width_before.loss
    assert chosen.width_after.n_opt < chosen.width_before.n_opt
    left = (chosen.width_after.loss / chosen.width_before.loss) ** 2
    assert sum(chosen.gains) == pytest.approx(1 - left)


def widths(found: Design) -> Sequence[float]:
    return (found.width_after.loss, found.width_after.n_opt, found.width_after.regret)


def test_each_goal_narrows_its_own_quantity_most(table: pd.DataFrame, chosen: Design) -> None:
    sizes = design(table, ladder(), target=TARGET, budget=BUDGET, goal="n_opt", draws=300)
    assert chosen.width_after.loss <= sizes.width_after.loss * 1.001
    assert sizes.width_after.n_opt <= chosen.width_after.n_opt * 1.001


def test_more_budget_never_leaves_more(table: pd.DataFrame, chosen: Design) -> None:
    more = design(table, ladder(), target=TARGET, budget=10 * BUDGET, draws=300)
    assert more.width_after.loss < chosen.width_after.loss


def test_few_runs_tell_most_of_it(table: pd.DataFrame, chosen: Design) -> None:
    few = design(table, ladder(), target=TARGET, budget=BUDGET, draws=300, most=4)
    assert len(few.runs) == 4 < len(chosen.runs)
    gained = chosen.width_before.loss - chosen.width_after.loss
    assert 0.4 * gained < few.width_before.loss - few.width_after.loss < gained


def test_it_starts_from_nothing() -> None:
    found = design(None, ladder(), target=TARGET, budget=BUDGET, draws=300)
    assert len(found.runs) > 3
    assert found.width_after.loss < 0.5 * found.width_before.loss
    assert "given 0 rows" in found.assumed[0]


def test_belief_moves_from_the_priors_to_the_rows(table: pd.DataFrame) -> None:
    truth = Case("chinchilla", "grid", 0.005, 0).truth.optimum(TARGET).loss.point
    few, many = (
        believed(table.iloc[:k], draws=400).optimum(TARGET).loss.interval() for k in (3, 56)
    )
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])
    assert many[0] < truth < many[1]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"budget": 1e15}, "pilot budget of 1e\\+15 FLOPs: the cheapest candidate, N = 4e\\+07"),
        ({"target": 1e20}, "target compute = 1e\\+20: .* has runs of up to 3.072e\\+20"),
        ({"draws": 0}, "draws = 0: a design is made over draws"),
        ({"goal": "cost"}, "goal 'cost'; valid: loss, n_opt, regret"),
        ({"target": float("nan")}, "target compute = nan"),
    ],
)
def test_bad_questions_are_refused(table: pd.DataFrame, more: dict[str, float], told: str) -> None:
    asked = {"target": TARGET, "budget": BUDGET, "draws": 300} | more
    with pytest.raises(InputError, match=told):
        design(table, ladder(), **asked)


def test_bad_candidates_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no candidates"):
        design(table, [], target=TARGET, budget=BUDGET)
    with pytest.raises(InputError, match="candidate x: D = -1; valid is a finite number above 0"):
        design(table, [Candidate(1e8, -1.0, 1e18, "x")], target=TARGET, budget=BUDGET)
    with pytest.raises(InputError, match=r"C = 1.8e\+19, but by table .6ND. it takes 6e\+18"):
        design(table, [Candidate(1e8, 1e10, 1.8e19)], target=TARGET, budget=BUDGET)
