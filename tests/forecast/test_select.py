"""Laws compared by their rollouts, and averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from batteries.profiles import isoflop_table
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast import Predictor
from scaling.forecast.averaged import Averaged
from scaling.forecast.forecasters import get
from scaling.forecast.rollouts.select import Comparison, compare


class Fixed:
    """A predictor of one loss and one number of tokens per parameter, with draws around."""

    cost, c_min, c_max, n_column = Cost(), 1e15, 1e18, "N"

    def __init__(self, loss: float, per_param: float, draws: int, checked: float) -> None:
        self._loss, self._per_param, self._draws, self.checked = loss, per_param, draws, checked

    def loss(self, N: float, D: float, *, noise: bool = False) -> Draws:
        shape = np.broadcast_shapes(np.shape(N), np.shape(D))
        return Draws(np.full(shape, self._loss), np.full((self._draws, *shape), self._loss))

    def optimum(self, C: float) -> Optimum:
        N = np.sqrt(np.asarray(C) / 6 / self._per_param)
        values = [Draws(v, np.broadcast_to(v, (self._draws, *np.shape(v)))) for v in (N, C / 6 / N)]
        return Optimum(*values, self.loss(N, N))


@given(weight=st.floats(0.05, 0.95), draws=st.integers(100, 400))
@settings(max_examples=40, deadline=None)
def test_an_average_mixes_points_and_draws_by_weight(weight: float, draws: int) -> None:
    made = Averaged([Fixed(2, 10, draws, 30), Fixed(4, 90, draws, 10)], [weight, 1 - weight])
    assert isinstance(made, Predictor)
    values = made.loss(1e9, np.array([1e10, 1e11]))
    np.testing.assert_allclose(values.point, 2 * weight + 4 * (1 - weight))
    assert (values.draws[:, 0] == 2).mean() == pytest.approx(weight, abs=0.02)
    best = made.optimum(np.array([1e20]))
    assert 6 * best.N.point[0] * best.D.point[0] == pytest.approx(1e20)
    assert made.checked == 10


def test_equal_weights_keep_every_draw() -> None:
    made = Averaged([Fixed(2, 10, 50, 1), Fixed(4, 90, 50, 1)], [0.5, 0.5])
    assert len(made.loss(1.0, 1.0).draws) == 100


@pytest.mark.parametrize("weights", [[1.0], [0.7, 0.7], [1.5, -0.5]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(InputError, match="weights"):
        Averaged([Fixed(2, 10, 5, 1), Fixed(4, 90, 5, 1)], weights)


@pytest.fixture(scope="module")
def found(profiles: pd.DataFrame) -> Comparison:
    return compare(profiles, [get("chinchilla_near"), get("kaplan"), get("chinchilla")], draws=100)


def test_the_true_law_is_ranked_above_a_wrong_one(found: Comparison) -> None:
    by_name = {item.name: item for item in found.standings}
    assert found.standings[0].name != "kaplan"
    assert found.standings[0].behind[0] == 0
    assert sum(item.weight for item in found.standings) == pytest.approx(1)
    assert by_name["kaplan"].weight < 0.2
    assert by_name["kaplan"].loss_error > by_name["chinchilla"].loss_error
    assert by_name["kaplan"].aicc > by_name["chinchilla"].aicc
    assert not by_name["kaplan"].alike


def test_two_ways_to_fit_the_true_law_are_not_told_apart_by_force(profiles: pd.DataFrame) -> None:
    same = compare(profiles, [get("chinchilla"), get("busbridge")], draws=50)
    # busbridge's law with gamma = 1 is chinchilla's
    assert same.standings[1].behind[0] == pytest.approx(0, abs=0.5)
    assert 0.05 < same.standings[0].weight < 0.95


def test_the_telling_run_is_where_they_differ(found: Comparison, profiles: pd.DataFrame) -> None:
    run = found.telling
    assert profiles.C.max() * 1.0001 >= run.C
    assert pytest.approx(run.C, rel=1e-6) == 6 * run.N * run.D
    values = [float(found.predictors[n].loss(run.N, run.D).point) for n in run.names]
    assert values == pytest.approx(run.prediction)
    ratio = profiles.D / profiles.N
    assert ratio.min() <= run.D / run.N <= ratio.max()


def test_one_law_or_one_budget_is_no_comparison(profiles: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="two laws or more"):
        compare(profiles, [get("kaplan")])
    with pytest.raises(InputError, match="too few for a rollout"):
        compare(isoflop_table(3), [get("kaplan"), get("chinchilla")], draws=20)


def test_what_cannot_be_made_is_left_out_and_told(profiles: pd.DataFrame) -> None:
    free = profiles.assign(C=profiles.C * np.geomspace(1, 3000, len(profiles)))
    items = [get("chinchilla_tied"), get("kaplan"), get("approach_2")]
    found = compare(free, items, draws=20)
    assert {item.name for item in found.standings} == {"chinchilla_tied", "kaplan"}
    assert "approach_2: table: Approach 2 needs at least 3" in found.rollout.refused[0]
    with pytest.raises(InputError, match="fewer than two of these laws can be compared"):
        compare(free, items[1:], draws=20)
    with pytest.raises(InputError, match="within = -1"):
        compare(profiles, items, within=-1.0)
