"""Forecasts: optima, budgets from tokens or sizes, the flat region, and how far they reach."""

from __future__ import annotations

import json

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.cost import Cost, counted
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import Forecast, Predictor, budget, flat_region, forecast

LAW = laws.get("chinchilla")


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(LAW, battery.table(LAW, battery.truth(LAW), noise=0.01), draws=200)


@pytest.fixture(scope="module")
def counted_fit() -> Fit:
    """A table whose models cost more than 6N a token: attention and head are counted."""
    table = battery.table(LAW, battery.truth(LAW), noise=0.01)
    per_token = 6 * table["N"] + 900 * table["N"] ** 0.6
    return fit(LAW, table.assign(C=per_token * table["D"], C_kind="counted"), draws=50)


def test_a_fit_is_a_predictor(fitted: Fit) -> None:
    assert isinstance(fitted, Predictor)
    losses = fitted.loss(np.ones((3, 1)) * 1e8, np.full(4, 1e9))
    assert losses.point.shape == (3, 4)
    assert losses.draws.shape == (200, 3, 4)
    best = fitted.optimum([1e18, 1e19])
    assert best.N.draws.shape == (200, 2)
    np.testing.assert_allclose(6 * best.N.point * best.D.point, [1e18, 1e19])


def test_noise_widens_the_interval_and_leaves_the_point(fitted: Fit) -> None:
    law, run = fitted.loss(1e8, 1e9), fitted.loss(1e8, 1e9, noise=True)
    assert law.point == run.point
    assert np.ptp(run.interval()) > 2 * np.ptp(law.interval())
    np.testing.assert_array_equal(run.draws, fitted.loss(1e8, 1e9, noise=True).draws)
    spread = np.log(run.draws / law.draws).std()
    assert spread == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("name", ["fitted", "counted_fit"])
def test_the_optimum_has_the_lowest_loss_on_its_budget(
    name: str, request: pytest.FixtureRequest
) -> None:
    predictor: Fit = request.getfixturevalue(name)
    best = predictor.optimum(1e17)
    N = float(best.N.point) * np.geomspace(0.5, 2, 101)
    losses = predictor.loss(N, predictor.cost.tokens(1e17, N)).point
    assert losses.argmin() == 50
    assert float(best.loss.point) == pytest.approx(losses[50], rel=1e-12)


def test_a_counted_cost_that_jitters_goes_on_beyond_its_sizes() -> None:
    """The two largest sizes alone would tell any slope: here C is rounded by 3 %."""
    rng = np.random.default_rng(0)
    N = np.geomspace(1e8, 3e9, 14)
    for _ in range(20):
        cost = counted(N, N, 6 * N**1.03 * N * np.exp(0.03 * rng.normal(size=14)))
        np.testing.assert_allclose(cost.flops_per_token(3e10), 6 * 3e10**1.03, rtol=0.25)
        np.testing.assert_allclose(cost.flops_per_token(1e7), 6 * 1e7**1.03, rtol=0.25)
    twins = counted([1e8, 1e9, 1.01e9], [1.0] * 3, [6e8, 6.1e9, 6e9])  # two shapes of one size
    assert twins.elasticity(1e10) > 0.9
    exact = counted(N, N, 6 * N**1.05 * N)
    np.testing.assert_allclose(exact.elasticity([1e7, 1e10]), 1.05, rtol=0.005)


def test_counted_costs_follow_the_rows_and_are_called_counted(counted_fit: Fit) -> None:
    cost = counted_fit.cost
    assert cost.kind == "counted"
    N = np.array([1e5, 1e7, 1e9])
    np.testing.assert_allclose(cost.flops_per_token(N), 6 * N + 900 * N**0.6, rtol=0.01)
    np.testing.assert_allclose(cost.params(cost.flops_per_token(N * 1.7)), N * 1.7, rtol=1e-10)
    beyond = cost.flops_per_token(np.array([1e3, 1e12]))
    assert (np.diff(beyond) > 0).all()
    assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost
    found = forecast(counted_fit, compute=1e18)
    assert found.c_kind == "counted"
    assert "(counted)" in str(found)
    assert pytest.approx(float(cost.flops_per_token(found.N)) * found.D) == found.C
    assert counted_fit.c_max == pytest.approx((6e9 + 900 * 1e9**0.6) * 3e10)


def test_counted_cost_never_falls_and_takes_one_size() -> None:
    pooled = counted([1.0, 2.0, 3.0], [1.0] * 3, [6.0, 20.0, 15.0])
    assert (np.diff(pooled.ln_flops) >= 0).all()
    single = counted([1e6, 1e6], [1e6, 2e6], [8e12, 16e12])
    assert float(single.flops_per_token(2e6)) == pytest.approx(16e6)


def test_one_number_gives_the_optimal_run_that_has_it(fitted: Fit) -> None:
    by_compute = forecast(fitted, compute=1e18)
    for name, value in (("tokens", by_compute.D), ("params", by_compute.N)):
        found = forecast(fitted, **{name: value})
        assert pytest.approx(1e18, rel=1e-8) == found.C
        assert pytest.approx(by_compute.N, rel=1e-8) == found.N


def test_two_numbers_fix_a_run(fitted: Fit) -> None:
    a = forecast(fitted, params=1e7, tokens=1e9)
    assert (a.N, a.D, a.C) == (1e7, 1e9, 6e16)
    assert pytest.approx(1e9) == forecast(fitted, compute=6e16, params=1e7).D
    assert pytest.approx(1e7) == forecast(fitted, compute=6e16, tokens=1e9).N
    assert a.loss.point > a.loss_opt.point


def test_flat_region_ends_where_the_loss_is_half_a_percent_up(fitted: Fit) -> None:
    best = fitted.optimum(1e18)
    low, high = flat_region(fitted, 1e18)
    assert low < float(best.N.point) < high
    ends = fitted.loss(np.array([low, high]), fitted.cost.tokens(1e18, [low, high])).point
    np.testing.assert_allclose(ends, 1.005 * float(best.loss.point), rtol=1e-9)


def test_reach_is_named(fitted: Fit) -> None:
    inside = forecast(fitted, compute=fitted.c_max)
    assert (inside.kind, inside.compute_ratio) == ("fit", 1.0)
    beyond = forecast(fitted, compute=100 * fitted.c_max)
    assert (beyond.kind, beyond.decades) == ("forecast", pytest.approx(2.0))
    assert "100 x the largest run fitted, 2.00 decades beyond" in str(beyond)
    below = forecast(fitted, compute=fitted.c_min / 10)
    assert below.kind == "forecast"
    assert "10 x smaller than the least run fitted" in str(below)


def test_intervals_widen_with_distance(fitted: Fit) -> None:
    widths = []
    for ratio in (1e-2, 1e1, 1e4):
        found = forecast(fitted, compute=ratio * fitted.c_max)
        widths.append(found.n_opt.q95 / found.n_opt.q05)
        assert found.n_opt.q05 <= found.n_opt.point <= found.n_opt.q95
    assert widths == sorted(widths)


def test_a_forecast_round_trips_and_carries_the_nearest_configuration(fitted: Fit) -> None:
    found = forecast(fitted, compute=1e18, nearest=lambda N: {"width": round(N**0.25)})
    assert found.nearest is not None
    assert "nearest  width" in str(found)
    assert Forecast.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_without_draws_the_interval_is_the_point() -> None:
    bare = fit(LAW, battery.table(LAW, battery.truth(LAW), noise=0.01), draws=0)
    found = forecast(bare, compute=1e18)
    assert found.loss.q05 == found.loss.point == found.loss.q95


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "none is given"),
        ({"compute": 1e18, "tokens": 1e9, "params": 1e7}, "third follows from two"),
        ({"compute": -1.0}, "compute = -1"),
        ({"compute": 1e300}, "valid is 1000 to 1e\\+40"),
        ({"tokens": float("inf")}, "tokens = inf"),
        ({"params": 1e80}, "optimal at no budget"),
    ],
)
def test_bad_questions(fitted: Fit, asked: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        forecast(fitted, **asked)


def test_a_law_of_n_alone_cannot_divide_a_budget() -> None:
    only_n = fit("kaplan_n", battery.table(LAW, battery.truth(LAW)), draws=0)
    with pytest.raises(InputError, match="kaplan_n has no D"):
        forecast(only_n, compute=1e18)


def test_budget_from_speed_and_hours() -> None:
    assert budget(1e12, 2.0) == 7.2e15
    with pytest.raises(InputError, match="hours = 0"):
        budget(1e12, 0.0)
