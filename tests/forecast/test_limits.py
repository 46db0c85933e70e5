"""Runs under limits: fixed N or D, deadlines, what can be served; and what is given up for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from batteries import laws as battery
from scipy.optimize import minimize_scalar

from scaling import laws
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import Forecast, forecast, forecasts, without_draws
from scaling.forecast.averaged import Averaged
from scaling.forecast.isoflop.model import isoflop
from scaling.forecast.limits import Cap
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Growth

LAW = laws.get("chinchilla")
C = 1e18


def cap(on: str, most: float) -> Cap:
    return Cap(on, most, f"a limit of {most:g}", "as given")


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(LAW, battery.table(LAW, battery.truth(LAW), noise=0.01), draws=100)


def test_a_cap_on_n_that_binds_leaves_the_rest_of_the_budget_to_tokens(fitted: Fit) -> None:
    free = forecast(fitted, compute=C)
    found = forecast(fitted, compute=C, caps=[cap("N", free.N / 3), cap("N", free.N / 2)])
    assert found.N == free.N / 3  # the tighter one
    assert pytest.approx(C) == 6 * found.N * found.D
    assert [c.most for c in found.binding] == [free.N / 3]
    assert found.given_up is not None
    # The best N that the cap allows, by a search of its own.
    best = minimize_scalar(
        lambda n: float(fitted.loss(np.exp(n), C / 6 / np.exp(n)).point),
        bounds=(np.log(1e4), np.log(free.N / 3)), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    assert pytest.approx(np.exp(best.x), rel=1e-6) == found.N
    paired = fitted.loss(found.N, found.D).draws - fitted.optimum(C).loss.draws
    assert (paired > 0).all()  # draw by draw: the optimum is the optimum
    assert found.given_up.q05 == pytest.approx(np.quantile(paired, 0.05))
    assert found.given_up.point == pytest.approx(best.fun - free.loss_opt.point, rel=1e-6)
    assert "limit    a limit of" in str(found)
    assert Forecast.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_cap_that_does_not_bind_changes_nothing(fitted: Fit) -> None:
    free = forecast(fitted, compute=C)
    found = forecast(fitted, compute=C, caps=[cap("N", 2 * free.N), cap("C", 2 * C)])
    assert found == free
    assert found.given_up is None


def test_a_deadline_is_held_against_the_whole_budget(fitted: Fit) -> None:
    found = forecast(fitted, compute=C, caps=[cap("C", C / 100)])
    assert (found.C, found.whole) == (C / 100, C)
    assert pytest.approx(forecast(fitted, compute=C / 100).N) == found.N
    assert found.given_up is not None
    gap = float(fitted.optimum(C / 100).loss.point - fitted.optimum(C).loss.point)
    assert found.given_up.point == pytest.approx(gap)
    late = forecast(fitted, params=1e8, caps=[cap("C", C / 10)])
    assert (late.N, late.C) == (1e8, C / 10)
    few = forecast(fitted, tokens=1e9, caps=[cap("C", 6e15)])
    assert (pytest.approx(1e6), 1e9) == (few.N, few.D)


def test_fixed_numbers_are_held_against_the_optimum(fitted: Fit) -> None:
    free = forecast(fitted, compute=C)
    assert free.given_up is None
    wide = forecast(fitted, compute=C, params=4 * free.N)
    long = forecast(fitted, compute=C, tokens=4 * free.D)
    for found in (wide, long):
        assert found.given_up is not None
        assert 0 < found.given_up.q05 <= found.given_up.point <= found.given_up.q95
    served = forecast(fitted, compute=C, tokens=free.D / 4, caps=[cap("N", free.N)])
    assert (served.N, served.D) == (free.N, free.D / 4)
    assert pytest.approx(C / 4) == served.C  # more compute than that buys nothing


@pytest.mark.parametrize(
    ("asked", "limits", "message"),
    [
        ({"params": 1e9}, [cap("N", 1e8)], r"params = 1e\+09 asks for N = 1e\+09, but a limit"),
        ({"params": 1e9, "tokens": 1e9}, [cap("C", 1e15)], "they contradict"),
        ({"compute": 1e18, "params": 1e9}, [cap("N", 1e8)], "caps N at 1e\\+08"),
    ],
)
def test_contradictions_name_both(
    fitted: Fit, asked: dict[str, float], limits: list[Cap], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        forecast(fitted, caps=limits, **asked)


def test_a_frontier_is_its_forecasts_one_by_one(fitted: Fit) -> None:
    budgets = [1e16, 1e18, 1e20]
    assert forecasts(fitted, budgets) == [forecast(fitted, compute=c) for c in budgets]
    limits = [cap("N", 1e7)]
    assert forecasts(fitted, budgets, caps=limits) == [
        forecast(fitted, compute=c, caps=limits) for c in budgets
    ]


def test_searches_do_without_draws_and_find_the_same(fitted: Fit) -> None:
    from batteries.profiles import isoflop_table

    direct: Predictor = isoflop(isoflop_table(), draws=20)
    wide = Calibrated(fitted, Growth.fixed(0.01), Growth.fixed(0.1))
    for predictor in (fitted, wide, direct, Averaged([fitted, wide], [0.5, 0.5])):
        bare = without_draws(predictor)
        at = np.array([1e18, 1e19])
        best, same = predictor.optimum(at), bare.optimum(at)
        assert len(same.loss.draws) == 0 < len(best.loss.draws)
        np.testing.assert_array_equal(best.N.point, same.N.point)
        losses = predictor.loss(best.N.point, best.D.point), bare.loss(same.N.point, same.D.point)
        np.testing.assert_array_equal(losses[0].point, losses[1].point)
