"""The best vocabulary: three approaches, the stationary point of the third, and the command."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from scaling import laws
from scaling.cli import app
from scaling.errors import InputError
from scaling.forecast.further.vocabulary import least_loss, vocabulary

SIZES = [33e6, 1.13e9, 7e9, 70e9]


@pytest.mark.parametrize("N_nv", SIZES)
@pytest.mark.parametrize("times", [0.1, 1.0, 10.0])
def test_the_third_approach_is_where_its_terms_balance(N_nv: float, times: float) -> None:
    """alpha2 A2 / N_v^alpha2 = beta B / D^beta N_v / (N_nv + N_v), in millions and billions."""
    p = laws.published["tao2024"].params
    C = times * vocabulary(N_nv).C
    N_v = least_loss(N_nv, C)
    D = C / (6 * (N_nv + N_v)) / 1e9
    left = p["alpha2"] * p["A2"] / (N_v / 1e6) ** p["alpha2"]
    right = p["beta"] * p["B"] / D ** p["beta"] * N_v / (N_nv + N_v)
    assert left == pytest.approx(right, rel=1e-10)


def test_what_the_paper_prints() -> None:
    """43K words for 3B parameters (approach 2, width 3200); 216K and more for Llama 2 70B, which
    the three hold to 2 % or above."""
    small = vocabulary(3e9, width=3200)
    assert small.V is not None
    assert f"{small.V['by size (approach 2)'] / 1e3:.0f}K" == "43K"
    large = vocabulary(70e9, width=8192)
    assert large.V is not None
    assert min(large.V.values()) == pytest.approx(216e3, rel=0.02)


def test_more_compute_wants_more_words_and_less_fewer() -> None:
    for N_nv in SIZES:
        C = vocabulary(N_nv).C
        assert least_loss(N_nv, C / 10) < least_loss(N_nv, C) < least_loss(N_nv, 10 * C)


def test_the_approaches_come_together_as_models_grow() -> None:
    apart = [vocabulary(N_nv).apart for N_nv in SIZES]
    assert apart == sorted(apart, reverse=True)
    assert 1.05 < apart[-1] < apart[0] < 1.35


def test_the_command() -> None:
    run = CliRunner()
    done = run.invoke(app, ["vocabulary", "--params", "7B", "--width", "4096"])
    assert done.exit_code == 0
    assert "by loss (approach 3): N_v = 2.439e+08, 59,548 words" in done.output
    assert "2.33 times above the paper's models" in done.output
    told = run.invoke(app, ["vocabulary", "--params", "1B", "--compute", "1e20", "--json"])
    facts = json.loads(told.output)
    assert (facts["optimal"], facts["V"], facts["outside"]) == (False, None, [])
    bad = run.invoke(app, ["vocabulary", "--params", "1B", "--compute", "-1"])
    assert isinstance(bad.exception, InputError)
    assert "compute = -1: must be a finite number above 0" in str(bad.exception)
