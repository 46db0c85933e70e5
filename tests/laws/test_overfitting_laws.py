"""Laws in which repetition does harm, and what tells them from those in which it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling import laws

_P = {"E": 1.2, "A": 40.0, "B": 300.0, "alpha": 0.3, "beta": 0.4}
_PENALTY = {"P": 2e-2, "delta": 1.1, "kappa": 0.3, "lam": 0.5}
# Small functions: only a busy machine makes their examples slow.
CALM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.floats(1e3, 1e9)
amounts = st.floats(1e4, 1e10)
passes = st.floats(1.01, 200.0)


@CALM
@given(N=sizes, D_unique=amounts, share=st.floats(0.01, 1.0))
def test_without_repetition_overfit_is_hoffmann(N: float, D_unique: float, share: float) -> None:
    D = share * D_unique
    ours = laws.get("overfit").predict(N, D, D_unique, **_P, **_PENALTY)
    assert ours == pytest.approx(laws.get("chinchilla").predict(N, D, **_P), rel=1e-14)


@CALM
@given(N=sizes, D_unique=amounts, epochs=passes)
def test_a_repeated_token_is_worth_less_than_a_fresh_one(
    N: float, D_unique: float, epochs: float
) -> None:
    D = epochs * D_unique
    predict = laws.get("overfit").predict
    assert predict(N, D, D_unique, **_P, **_PENALTY) > predict(N, D, D, **_P, **_PENALTY)


def test_the_loss_turns_up_sooner_for_larger_models_and_less_data() -> None:
    epochs = np.geomspace(1, 1000, 2000)

    def turn(N: float, U: float) -> float:
        loss = laws.get("overfit").predict(N, epochs * U, U, **_P, **_PENALTY)
        return float(epochs[np.argmin(loss)])

    assert 1 < turn(1e6, 1e6) < turn(1e5, 1e6) < turn(1e4, 1e6) < 1000
    assert turn(1e5, 1e4) < turn(1e5, 1e5)


def test_one_exponent_for_both_is_the_law_of_their_ratio() -> None:
    N, D, U = np.array([1e4, 1e6]), np.array([1e7, 1e8]), np.array([1e6, 1e6])
    both = {**_PENALTY, "kappa": 0.5, "lam": 0.5}
    ratio = {name: both[name] for name in ("P", "delta", "kappa")}
    np.testing.assert_allclose(
        laws.get("overfit_ratio").predict(N, D, U, **_P, **ratio),
        laws.get("overfit").predict(N, D, U, **_P, **both),
        rtol=1e-14,
    )


@pytest.mark.parametrize("name", ["muennighoff", "bounded"])
@CALM
@given(N=sizes, D_unique=amounts, epochs=passes)
def test_laws_in_which_repetition_does_no_harm(
    name: str, N: float, D_unique: float, epochs: float
) -> None:
    extra = {
        "muennighoff": {"RD": 5.0, "RN": 5.0},
        "bounded": {"L0": 6.0, "P": 2e-2, "kappa": 0.3, "lam": 0.5},
    }
    predict = laws.get(name).predict
    fewer, more = (
        predict(N, k * D_unique, D_unique, **_P, **extra[name]) for k in (epochs, 2 * epochs)
    )
    assert more <= fewer * (1 + 1e-12)


@CALM
@given(N=sizes, D=amounts, D_unique=amounts)
def test_bounded_lies_between_E_and_an_uninformed_guess(
    N: float, D: float, D_unique: float
) -> None:
    p = {**_P, "L0": 6.0, "P": 2e-2, "kappa": 0.3, "lam": 0.5}
    assert 1.2 <= laws.get("bounded").predict(N, D, D_unique, **p) <= 6.0


def test_bounded_far_below_its_guess_is_a_sum_of_powers() -> None:
    p = {**_P, "L0": 6.0, "P": 2e-2, "kappa": 0.3, "lam": 0.5}
    N, D, U = 1e14, 1e16, 1e15
    h = 40.0 / N**0.3 + 300.0 / D**0.4 + 2e-2 * N**0.3 / U**0.5
    assert laws.get("bounded").predict(N, D, U, **p) - 1.2 == pytest.approx(4.8 * h, rel=0.02)
