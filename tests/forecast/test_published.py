"""Published parameters as predictors: through Python and through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from scaling import laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import numeric_n
from scaling.forecast import Predictor, PublishedLaw, forecast, published_law
from scaling.laws import Law, Published


def divides_a_budget(item: Published) -> bool:
    law = laws.get(item.law)
    return set(law.variables) == {"N", "D"} and law.response == "loss"


DIVIDING = [name for name, item in laws.published.items() if divides_a_budget(item)]


def test_hoffmanns_closed_form_at_chinchillas_budget() -> None:
    found = forecast(PublishedLaw(laws.published["hoffmann2022"]), compute=5.76e23)
    a = 0.28 / 0.62
    G = (0.34 * 406.4 / (0.28 * 410.7)) ** (1 / 0.62)
    assert pytest.approx(G * (5.76e23 / 6) ** a, rel=1e-12) == found.N
    assert pytest.approx((5.76e23 / 6) ** (1 - a) / G, rel=1e-12) == found.D
    assert found.loss.point == pytest.approx(1.69 + 406.4 / found.N**0.34 + 410.7 / found.D**0.28)
    assert (found.compute_ratio, found.kind, found.n_column) == (0.0, "forecast", "N_total")
    assert found.loss.q05 == found.loss.point == found.loss.q95
    assert "no runs behind this law" in str(found)
    assert "[" not in str(found)  # no interval is printed where there is none
    assert "90 %" not in str(found)


@pytest.mark.parametrize("name", DIVIDING)
def test_every_published_law_of_n_and_d_divides_a_budget(name: str) -> None:
    predictor = published_law(name)
    assert isinstance(predictor, Predictor)
    C = np.array([1e19, 1e21])
    best = predictor.optimum(C)
    params = {key: np.array(float(v)) for key, v in predictor.published.params.items()}
    np.testing.assert_allclose(
        best.N.point, numeric_n(predictor.law, params, C, Cost()), rtol=1e-10
    )
    np.testing.assert_allclose(6 * best.N.point * best.D.point, C)
    assert best.loss.draws.shape == (0, 2)
    for factor in (0.7, 1.4):
        near = predictor.loss(best.N.point * factor, best.D.point / factor)
        assert (near.point > best.loss.point).all()


def test_a_law_of_ones_own() -> None:
    own = Law(
        name="own",
        formula="E + 1/N + 1/D",
        predict=lambda N, D, *, E: E + 1 / N + 1 / D,
        params={"E": laws.positive()},
    )
    item = Published("me2026", "own", {"E": 2.0}, "this test", "here")
    best = PublishedLaw(item, own).optimum(6e8)
    assert float(best.N.point) == pytest.approx(1e4, rel=1e-8)
    assert PublishedLaw(item, own).n_column == "N"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hofmann2022", "hofmann2022: neither a file nor published parameters; nearest: hoffmann2"),
        ("pearce", "nearest: pearce2024"),  # the law's name, not that of its parameters
        ("qqqq", "qqqq: neither a file nor published parameters$"),
    ],
)
def test_a_name_that_is_neither_file_nor_published(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        published_law(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("muennighoff2023", "needs D_unique too"),
        ("kaplan2020_n", "has no D"),
        ("gadre2024_error_c4", "has no N"),
    ],
)
def test_a_law_that_cannot_divide_a_budget_says_so(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        forecast(published_law(name), compute=1e20)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "scaling.cli", *words]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def test_the_real_command_line() -> None:
    done = command("forecast", "hoffmann2022", "--compute", "5.76e23")
    assert (done.returncode, done.stderr) == (0, "")
    assert "law chinchilla with E 1.69" in done.stdout
    assert "N = 3.219e+10 (N_total)" in done.stdout
    done = command("forecast", "besiroglu2024", "--compute", "1E", "--compute", "1e20", "--json")
    told = json.loads(done.stdout)
    assert [row["C"] for row in told["budgets"]] == [1e18, 1e20]
    assert told["params"]["B"] == 2085.43
    assert told["status"] == "published parameters: no intervals"
    assert told["n_rows"] == 0
    gone = command("forecast", "hofmann2022", "--compute", "1e20")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr.count("\n") == 1
    assert "nearest: hoffmann2022" in gone.stderr
