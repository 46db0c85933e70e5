"""Errors learnt from rollouts: the posterior, and what it does to draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.cost import Cost
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Errors, Growth


def errors(rate: float, cuts: int, spread: float = 1e-4) -> Errors:
    """Errors of so many cuts at three distances each: one rate, on either side in turn."""
    distance = np.tile(np.log([3.0, 10.0, 30.0]), cuts)
    cut = np.repeat(1e18 * 2.0 ** np.arange(cuts), 3)
    error = np.repeat(rate * (-1.0) ** np.arange(cuts), 3) * distance
    return Errors.of(cut * np.exp(distance), cut, error, np.full(len(cut), spread))


@given(rate=st.floats(0.001, 0.1), median=st.floats(0.003, 0.03))
@settings(max_examples=30, deadline=None)
def test_many_cuts_overrule_the_stated_default(rate: float, median: float) -> None:
    learnt = Growth.prior(median).given(errors(rate, cuts=200)).typical
    assert learnt == pytest.approx(rate, rel=0.35)


def test_no_errors_leave_the_default_and_few_pull_little() -> None:
    prior = Growth.prior(0.01)
    nothing = Errors(*(np.zeros(0) for _ in range(5)))
    assert prior.given(nothing).typical == pytest.approx(prior.typical) == pytest.approx(0.01)
    one, many = (Growth.prior(0.01).given(errors(0.05, cuts=k)).typical for k in (1, 30))
    assert 0.01 < one < many


def test_entries_of_one_cut_count_as_one() -> None:
    few = errors(0.03, cuts=4)
    totals = np.bincount(np.unique(few.cut, return_inverse=True)[1], few.weight)
    np.testing.assert_allclose(totals, 1.0)
    twice = (np.repeat(v, 2) for v in (np.exp(few.distance) * few.cut, few.cut, few.error))
    doubled = Errors.of(*twice, np.repeat(few.spread, 2))
    one, two = (Growth.prior(0.01).given(item).probability for item in (few, doubled))
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_spreads_that_were_too_narrow_are_stretched() -> None:
    generator = np.random.default_rng(1)
    cut = 1e18 * 1.5 ** np.arange(200)
    error = generator.normal(0, 0.02, 200)
    found = Growth.prior(1e-6).given(Errors.of(cut * 3, cut, error, np.full(200, 0.014)))
    assert found.probability @ found.stretch == pytest.approx(0.02 / 0.014, rel=0.1)


@given(distance=st.floats(0.0, 8.0))
@settings(max_examples=20, deadline=None)
def test_draws_widen_with_distance_and_keep_their_middle(distance: float) -> None:
    point = np.array([2.0, 3.0])
    draws = point * np.exp(0.001 * np.random.default_rng(0).standard_normal((4000, 1)))
    wide = Growth.fixed(0.01).widened(point, draws, np.array([0.0, distance]), [0])
    np.testing.assert_allclose(wide[:, 0], draws[:, 0])
    spread = np.log(wide[:, 1]).std()
    assert spread == pytest.approx(np.hypot(0.001, 0.01 * distance), rel=0.06)
    assert np.median(wide[:, 1]) == pytest.approx(3.0, rel=0.002 + 0.001 * distance)


class Flat:
    """A predictor of one loss and one size everywhere, with narrow draws."""

    cost, c_min, c_max, n_column = Cost(), 1e15, 1e18, "N"

    def loss(self, N: float, D: float, *, noise: bool = False) -> Draws:
        shape = np.broadcast_shapes(np.shape(N), np.shape(D))
        return Draws(np.full(shape, 3.0), np.full((400, *shape), 3.0))

    def optimum(self, C: float) -> Optimum:
        N = np.sqrt(np.asarray(C) / 120)
        values = [Draws(v, np.broadcast_to(v, (400, *np.shape(v)))) for v in (N, C / 6 / N)]
        return Optimum(*values, Draws(np.full(N.shape, 3.0), np.full((400, *N.shape), 3.0)))


def test_calibrated_intervals_hold_c_and_grow_beyond_the_data() -> None:
    made = Calibrated(Flat(), Growth.prior(0.01), Growth.prior(0.1), checked=30.0)
    C = np.array([1e17, 1e18, 1e19, 1e21])
    best = made.optimum(C)
    np.testing.assert_allclose(6 * best.N.draws * best.D.draws, np.broadcast_to(C, (400, 4)))
    widths = [np.ptp(v) for v in np.stack(best.N.interval(), axis=1) / best.N.point[:, None]]
    assert widths[0] == widths[1] == 0 < widths[2] < widths[3]
    low, high = made.loss(1e9, np.array([1e8, 1e12])).interval()
    assert high[0] == low[0]
    assert high[1] > 3.0 > low[1]
    np.testing.assert_array_equal(best.N.draws, made.optimum(C).N.draws)
