"""The default predictor of a curve: what it must get right whatever the curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.extrapolate import drift, extrapolate

Array = NDArray[np.float64]

X = np.geomspace(1e6, 1e9, 24)
AHEAD = X[-1] * np.array([1.0, 1.5, 2.0, 4.0, 8.0])


def curve(c: float = 0.4, share: float = 0.3, noise: float = 0.0, seed: int = 0) -> Array:
    """loss / 2 = (1 - share) + share x^-c with x counted in the last fitted x."""
    loss = 2.0 * ((1 - share) + share * (X / X[-1]) ** -c)
    return np.asarray(loss * np.exp(noise * np.random.default_rng(seed).normal(size=len(X))))


curves = st.builds(
    curve,
    c=st.floats(0.1, 1.2),
    share=st.floats(0.02, 0.9),
    noise=st.floats(1e-3, 0.03),
    seed=st.integers(0, 10_000),
)


@pytest.mark.parametrize("c", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
def test_an_exact_power_law_is_continued(c: float, share: float) -> None:
    truth = 2.0 * ((1 - share) + share * (AHEAD / X[-1]) ** -c)
    found = extrapolate(X, curve(c, share))
    assert np.abs(np.log(found.predict(AHEAD) / truth)).max() < 0.01


def test_a_curve_that_leaves_chance_is_continued() -> None:
    """An error rate from .99 down to .2: no power law of any part of it, but M4's kind of curve."""
    z = (X / 3e7) ** -0.8
    truth = 0.1 + 0.89 * (AHEAD / 3e7) ** -0.8 / (1 + (AHEAD / 3e7) ** -0.8)
    found = extrapolate(X, 0.1 + 0.89 * z / (1 + z))
    assert np.abs(np.log(found.predict(AHEAD) / truth))[:3].max() < 0.02


@settings(deadline=None, max_examples=20)
@given(loss=curves, by=st.floats(1e-6, 1e6), units=st.floats(1e-6, 1e6))
def test_units_do_not_matter(loss: Array, by: float, units: float) -> None:
    here, there = extrapolate(X, loss), extrapolate(units * X, by * loss)
    np.testing.assert_allclose(there.predict(units * AHEAD), by * here.predict(AHEAD), rtol=1e-6)


@settings(deadline=None, max_examples=20)
@given(loss=curves, seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(loss: Array, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(X))
    here, there = extrapolate(X, loss), extrapolate(X[order], loss[order])
    np.testing.assert_array_equal(here.predict(AHEAD), there.predict(AHEAD))
    np.testing.assert_array_equal(here.quantiles(AHEAD), there.quantiles(AHEAD))


@settings(deadline=None, max_examples=20)
@given(loss=curves)
def test_intervals_hold_the_prediction_and_widen_with_distance(loss: Array) -> None:
    found = extrapolate(X, loss)
    low, high = found.quantiles(AHEAD)
    point = found.predict(AHEAD)
    assert ((low < point) & (point < high)).all()
    assert (np.diff(np.log(high / low)) > 0).all()


@settings(deadline=None, max_examples=20)
@given(loss=curves)
def test_a_forecast_falls_with_scale(loss: Array) -> None:
    assert (np.diff(extrapolate(X, loss).predict(AHEAD)) < 0).all()


def test_more_noise_gives_wider_intervals() -> None:
    widths = []
    for noise in (0.001, 0.01, 0.1):
        low, high = extrapolate(X, curve(noise=noise)).quantiles(AHEAD)
        widths.append(np.log(high / low))
    assert (np.diff(widths, axis=0) > 0).all()


def test_intervals_cover_what_they_say_on_a_law_with_noise() -> None:
    inside = []
    for seed in range(60):
        loss = curve(0.35, 0.5, 0.01, seed)
        new = 2.0 * (0.5 + 0.5 * (AHEAD / X[-1]) ** -0.35)
        new = new * np.exp(0.01 * np.random.default_rng(10_000 + seed).normal(size=len(AHEAD)))
        low, high = extrapolate(X, loss).quantiles(AHEAD)
        inside.append((low < new) & (new < high))
    assert 0.85 <= np.mean(inside) <= 1.0


def test_recent_points_rule() -> None:
    """A break in the exponent a decade before the end: the new slope is continued, not the mean."""
    loss = np.where(X < 1e8, (X / 1e8) ** -0.1, (X / 1e8) ** -0.3)
    found = extrapolate(X, loss)
    assert found.predict(2 * X[-1:])[0] == pytest.approx((2 * X[-1] / 1e8) ** -0.3, rel=0.03)


def test_a_row_told_twice_is_one_row() -> None:
    loss = curve(noise=0.01)
    twice = extrapolate(np.repeat(X, 2), np.repeat(loss, 2))
    np.testing.assert_array_equal(twice.quantiles(AHEAD), extrapolate(X, loss).quantiles(AHEAD))


def test_repeated_runs_tell_the_noise() -> None:
    """Two runs at each x that differ by 2 %: no interval narrower than that."""
    x, loss = np.repeat(X, 2), np.repeat(curve(), 2)
    low, high = extrapolate(x, loss * np.tile([0.99, 1.01], len(X))).quantiles(AHEAD)
    assert (np.log(high / low) > 0.02).all()


def test_thousands_of_points_are_averaged() -> None:
    x = np.geomspace(1e6, 1e9, 5000)
    loss = 1 + (x / 1e9) ** -0.3 * np.exp(np.random.default_rng(0).normal(size=5000) * 0.01)
    assert extrapolate(x, loss).predict(AHEAD)[2] == pytest.approx(1 + 2**-0.3, rel=0.005)


def test_draws_agree_with_quantiles() -> None:
    found = extrapolate(X, curve(noise=0.01))
    draws = found.draws(AHEAD)
    np.testing.assert_allclose(np.quantile(draws, (0.05, 0.95), axis=0), found.quantiles(AHEAD),
                               rtol=1e-3)  # fmt: skip
    np.testing.assert_array_equal(draws, found.draws(AHEAD))


def test_too_few_points_and_points_behind() -> None:
    with pytest.raises(InputError, match=r"2 distinct x; at least 3 are needed"):
        extrapolate(np.array([1.0, 2.0, 2.0]), np.array([3.0, 2.0, 2.1]))
    with pytest.raises(InputError, match=r"x = 5 lies below the largest fitted x \(100\)"):
        extrapolate(np.array([1.0, 10.0, 100.0]), np.array([3.0, 2.0, 1.5])).predict(
            np.array([200.0, 5.0])
        )


def test_the_posterior_is_that_of_the_written_covariance() -> None:
    """One rotation for all laws and walks, against generalised least squares of a few of them."""
    t, y = np.log(X / X[-1]), np.log(curve(noise=0.02))
    count = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    laws = drift.Laws.grid((0.1, 1.0), (0.05, 0.9))
    weight, level, squares, unsure = drift._posterior(laws, t, y, count, 0.0)
    near, far = np.minimum.outer(-t, -t), np.maximum.outer(-t, -t)
    pairs = [(walk, law) for walk in (0, 8, 20) for law in (3, 700, 1300)]
    direct = []
    for walk, law in pairs:
        slope, level_walk = drift._SLOPE[walk], drift._LEVEL[walk]
        wiener = near**2 * (3 * far - near) / 6 + level_walk * near
        covariance = np.diag(1 / count) + slope * wiener
        inverse = np.linalg.inv(covariance)
        off = y - laws.at(np.array([law])).shape(t)[0]
        precision = inverse.sum()
        mean = inverse.sum(axis=0) @ off / precision
        rest = (off - mean) @ inverse @ (off - mean) + drift._EXACT
        assert level[walk, law] == pytest.approx(mean, rel=1e-7)
        assert squares[walk, law] == pytest.approx(rest, rel=1e-7)
        assert unsure[walk] == pytest.approx(1 / precision, rel=1e-7)
        logdet = np.linalg.slogdet(covariance)[1] + np.log(precision)
        prior = laws.log_prior[law]
        direct.append(-0.5 * logdet - 0.5 * (count.sum() - 1) * np.log(rest) + prior)
    ours = np.array([weight[pair] for pair in pairs])
    np.testing.assert_allclose(ours - ours[0], np.array(direct) - direct[0], rtol=1e-6, atol=1e-6)
