"""Trained longer than optimal: against Gadre's closed forms, and draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.errors import InputError
from scaling.forecast import PublishedLaw, published_law
from scaling.forecast.further.given import Given
from scaling.forecast.further.overtrained import overtrained
from scaling.forecast.isoflop.model import isoflop

GADRE = [name for name, item in laws.published.items() if item.law == "gadre"]


@pytest.mark.parametrize("name", GADRE)
@pytest.mark.parametrize("ratio", [5.0, 640.0])
def test_gadres_closed_forms(name: str, ratio: float) -> None:
    base = published_law(name)
    p = base.params
    found = overtrained(base, ratio, 1e21)
    best = (p["b"] / p["a"]) ** (1 / (2 * p["eta"]))
    higher = ((ratio / best) ** p["eta"] + (best / ratio) ** p["eta"]) / 2
    more = higher ** (1 / p["eta"])
    reducible = found.loss.point - p["E"], found.loss_opt.point - p["E"]
    assert reducible[0] / reducible[1] == pytest.approx(higher, rel=1e-10)
    assert found.overhead.point == pytest.approx(more - 1, rel=1e-10)
    assert found.wasted.point == pytest.approx(1 - 1 / more, rel=1e-10)
    assert found.ratio * found.N == pytest.approx(found.D, rel=1e-14)
    assert pytest.approx(1e21, rel=1e-12) == 6 * found.N * found.D
    same = float(base.loss(found.n_same, found.d_same).point)
    assert same == pytest.approx(found.loss_opt.point, rel=1e-13)


def test_serving_repays_a_smaller_model_and_never_a_larger_one() -> None:
    base = published_law("gadre2024_c4")
    small, large = overtrained(base, 640.0, 1e21), overtrained(base, 0.5, 1e21)
    extra = 1e21 * small.overhead.point
    assert small.repaid == pytest.approx(extra / (2 * (small.N_opt - small.n_same)), rel=1e-12)
    assert small.smaller < 1 < large.smaller
    assert large.repaid == float("inf")


def test_the_optimal_ratio_costs_nothing() -> None:
    base = published_law("hoffmann2022")
    best = base.optimum(1e22)
    found = overtrained(base, float(best.D.point / best.N.point), 1e22)
    assert found.excess.point == pytest.approx(0, abs=1e-12)
    assert found.smaller == pytest.approx(1, rel=1e-10)
    assert found.overhead.point == pytest.approx(0, abs=1e-6)  # a minimum is flat


def test_draws_of_a_predictor_that_is_no_law(profiles: pd.DataFrame) -> None:
    model = isoflop(profiles, draws=40)
    found = overtrained(model, 300.0, model.c_max)
    for value in (found.excess, found.wasted, found.overhead):
        assert value.q05 < value.point < value.q95
    assert found.excess.q05 > 0
    assert found.c_kind == "6ND"


def test_a_loss_out_of_reach_is_infinite() -> None:
    """So few tokens that 10^6 times the compute does not make up for them."""
    found = overtrained(published_law("hoffmann2022"), 1e-9, 1e20)
    assert found.overhead.point == found.n_same == found.repaid == float("inf")
    assert found.loss.point > found.loss_opt.point


def test_where_more_compute_does_harm_the_first_crossing_counts() -> None:
    """An additive penalty of repeated data: along the frontier the loss falls and then rises."""
    law = laws.get("overfit")
    item = laws.Published(
        "harm", "overfit",
        {"E": 2.2, "A": 500.0, "B": 800.0, "alpha": 0.35, "beta": 0.35, "P": 1e-3, "delta": 1.2,
         "kappa": 0.3, "lam": 0.2},
        "this test", "here",
    )  # fmt: skip
    given = Given(PublishedLaw(item, law), {"D_unique": 1e9})
    losses = given.optimum(np.geomspace(1e16, 1e26, 60)).loss.point
    assert 0 < losses.argmin() < 59
    C = float(np.geomspace(1e16, 1e26, 60)[losses.argmin() - 4])
    found = overtrained(given, 200.0, C)
    assert 0 < found.wasted.point < 1
    spent = C * (1 - found.wasted.point)
    assert float(given.optimum(spent).loss.point) == pytest.approx(found.loss.point, rel=1e-9)


@pytest.mark.parametrize(
    ("ratio", "compute", "message"),
    [(0.0, 1e20, "tokens per parameter = 0"), (20.0, float("inf"), "compute = inf: must be")],
)
def test_bad_numbers(ratio: float, compute: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        overtrained(published_law("hoffmann2022"), ratio, compute)
