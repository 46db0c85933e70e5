"""What `scaling forecast` says of regret and of the record at the distance it reaches."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.forecast.decisions.regret import OPTIMUM
from scaling.forecast.decisions.stakes import ASKED, stakes
from scaling.forecast.forecast import Forecast, forecast
from scaling.forecast.from_table import of_default
from scaling.forecast.grounds import Grounds, of_published
from scaling.forecast.published import published_law


@pytest.fixture(scope="module")
def grounds(profiles: pd.DataFrame) -> Grounds:
    return of_default(profiles, draws=200)


def asked(grounds: Grounds, **numbers: float) -> Forecast:
    return forecast(grounds.predictor, naive=grounds.naive, **numbers)


def test_the_choices_are_the_optimum_and_the_naive_rules(grounds: Grounds) -> None:
    told = stakes(asked(grounds, compute=1e21), grounds)
    assert list(told.decision.choices) == [OPTIMUM, "twenty", "last_minimum"]
    assert told.reliability is not None
    assert told.reliability.asked == pytest.approx(1e21 / 2.43e20)
    words = "\n".join(told.lines())
    for piece in ("safe     N from", "regret   N_opt wastes", "choose   N = ", "record   rollouts"):
        assert piece in words
    json.dumps(told.to_dict(), allow_nan=False)


def test_a_size_that_was_asked_for_is_a_choice(grounds: Grounds) -> None:
    found = asked(grounds, compute=1e21, params=1e9)
    told = stakes(found, grounds)
    item = told.decision.choices[ASKED]
    assert (item.N, item.C) == (1e9, 1e21)
    assert item.share > 3 * told.decision.choices[OPTIMUM].share


def test_below_the_least_run_no_rollout_speaks(grounds: Grounds) -> None:
    below = asked(grounds, compute=1e15)
    assert below.least_ratio < 1
    assert stakes(below, grounds).reliability is None


def test_published_laws_have_no_record() -> None:
    law = of_published(published_law("besiroglu2024"))
    assert stakes(asked(law, compute=1e21), law).lines() == []


def test_the_command_prints_both(profiles_file: Path) -> None:
    ask = ["forecast", str(profiles_file), "--compute", "1e24", "--draws", "100"]
    ask += ["--device", "H100-SXM", "--rates", "none"]
    words = CliRunner().invoke(app, ask, catch_exceptions=False).output
    assert "  record   no rollout reaches 4.12e+03 x (3.6 decades): the farthest is 27 x" in words
    assert "  regret   N_opt wastes" in words
    data = json.loads(CliRunner().invoke(app, [*ask, "--json"], catch_exceptions=False).output)
    (told,) = data["decisions"]
    assert told["reliability"]["reached"] is False
    own = told["choices"][OPTIMUM]
    price = data["forecasts"][0]["spend"]["dollars"]["point"]
    assert own["dollars"] == pytest.approx(own["share"] * price)
    table = ["forecast", str(profiles_file), "--frontier", "1e21:1e23:3", "--draws", "50", "--json"]
    assert json.loads(CliRunner().invoke(app, table).output)["decisions"] == []
