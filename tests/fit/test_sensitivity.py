"""Sensitivity to the learning rate is its definition, and its trend says how far it can be off."""

from __future__ import annotations

import numpy as np
import pytest
from batteries.sweeps import RATES, sensitive
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.fit.sensitivity import USUAL, interventions, sensitivities, sensitivity, trend


def test_by_hand() -> None:
    # Losses above the best: 1, 0, 1, and the cap (5 - 2 = 3) for the diverged one.
    loss = np.array([3.0, 2.0, 3.0, np.nan])
    assert sensitivity(RATES, loss, cap=5.0) == pytest.approx((0.5 + 0.5 + 2.0) / 3)
    assert sensitivity(RATES[::-1], loss[::-1], cap=5.0) == pytest.approx(1.0)
    # A loss above that of initialisation counts no more than it.
    assert sensitivity(RATES, np.array([3.0, 2.0, 3.0, 90.0]), cap=5.0) == pytest.approx(1.0)


@given(st.lists(st.floats(1.0, 4.0), min_size=3, max_size=9), st.floats(0.1, 10.0))
def test_it_is_0_where_the_rate_says_nothing_and_shifts_with_nothing(
    losses: list[float], unit: float
) -> None:
    rates, loss = np.geomspace(1e-3, 1, len(losses)), np.array(losses)
    value = sensitivity(rates, loss, cap=4.0)
    assert 0 <= value <= 4.0 - loss.min()
    assert sensitivity(unit * rates, loss + 1, cap=5.0) == pytest.approx(value, abs=1e-9)
    assert sensitivity(rates, np.full_like(loss, 2.0), cap=4.0) == 0


def test_a_table_is_told_apart_by_what_its_runs_do_otherwise() -> None:
    assert set(interventions(sensitive())) == {USUAL, "qk_norm = True"}
    found = sensitivities(sensitive()).set_index(["intervention", "N", "seed"])
    assert len(found) == 8
    plain, calm = found.loc[USUAL], found.loc["qk_norm = True"]
    assert (plain["diverged"] == 1).all()
    assert (calm["diverged"] == 0).all()
    last = np.log(64) - 2
    assert plain["sensitivity"].to_numpy() == pytest.approx((0.05 + 0.05 + (0.1 + last) / 2) / 3)
    assert calm["sensitivity"].to_numpy() == pytest.approx((0.05 + 0.05 + 0.25) / 3)
    assert (plain["attention_logit"] == 10).all()


def test_a_line_is_found_and_its_intervals_hold() -> None:
    sizes = np.repeat([1e3, 4e3, 1.6e4], 2)
    exact = trend(sizes, 0.01 * sizes**0.4)
    assert (exact.slope, exact.low, exact.high) == pytest.approx((0.4, 0.4, 0.4))
    assert exact.at(1e6) == pytest.approx((0.01 * 1e6**0.4,) * 3)
    rng, slopes, ahead = np.random.default_rng(0), [], []
    for _ in range(400):
        noisy = 0.01 * np.append(sizes, 6.4e4) ** 0.4 * np.exp(0.1 * rng.normal(size=7))
        line = trend(sizes, noisy[:-1])
        slopes.append(line.low < 0.4 < line.high)
        low, high = line.at(6.4e4)[1:]
        ahead.append(low < noisy[-1] < high)
    assert 0.86 < np.mean(slopes) < 0.94
    assert 0.86 < np.mean(ahead) < 0.94


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"no column seed: this is no sweep"):
        sensitivities(sensitive().drop(columns="seed"))
    with pytest.raises(InputError, match=r"4 runs at 1 rates; a sweep has one run at each of 3"):
        sensitivities(sensitive(learning_rate=0.1))
    with pytest.raises(InputError, match="the loss at initialisation must be given"):
        sensitivities(sensitive(config="{}").query("status == 'finished'").head(3))
    with pytest.raises(InputError, match="two different learning rates"):
        sensitivity(np.array([0.1]), np.array([2.0]), 4.0)
    with pytest.raises(InputError, match="3 points at 2 sizes"):
        trend([1e3, 1e3, 1e3], [0.1, 0.2, 0.3])
