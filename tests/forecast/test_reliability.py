"""How rollouts at the asked distance fared: told from the same cells that scores are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputError
from scaling.forecast.forecasters import get
from scaling.forecast.rollouts.reliability import reliability
from scaling.forecast.rollouts.rollout import Rollout, calibrated, rollout


@pytest.fixture(scope="module")
def past(profiles: pd.DataFrame) -> Rollout:
    return rollout(profiles, [get("chinchilla")], draws=60)


def test_it_tells_of_rollouts_at_about_the_asked_distance(past: Rollout) -> None:
    told = reliability(past, "chinchilla", 10.0)
    assert told is not None
    rows = past.rows[past.rows.near & past.rows.distance.between(5, 20)]
    cells = rows.assign(
        error=np.abs(np.log(rows.prediction / rows.loss)),
        held=rows.loss.between(rows.q05, rows.q95),
    ).groupby(["cut", "C"])
    assert (told.cuts, told.budgets) == (2, 2)
    assert told.loss_error == pytest.approx(cells.error.mean().mean())
    assert told.loss_held == pytest.approx(cells.held.mean().mean())
    budgets = past.budgets[
        (past.budgets.forecaster == "chinchilla") & past.budgets.distance.between(5, 20)
    ]
    error = np.abs(np.log10(budgets.N_opt / np.exp(budgets.n_true)))
    assert told.size_error == pytest.approx(error.mean())
    assert told.waste == pytest.approx(budgets.waste.mean() / 100)
    assert told.sizes == len(budgets) == 2
    assert told.reached
    assert "9 x beyond 2 cuts missed losses by" in str(told)
    assert told.to_dict()["decades"] == 1.0


def test_beyond_the_farthest_rollout_it_says_so(past: Rollout) -> None:
    told = reliability(past, "chinchilla", 1000.0)
    assert told is not None
    assert told.farthest == pytest.approx(27.0)
    assert (told.low, told.high, told.cuts) == (told.farthest, told.farthest, 1)
    assert not told.reached
    assert "no rollout reaches 1e+03 x (3 decades): the farthest is 27 x" in str(told)
    rounded = reliability(past, "chinchilla", 28.0)
    assert rounded is not None
    assert rounded.reached


def test_inside_the_runs_nothing_is_extrapolated(past: Rollout) -> None:
    told = reliability(past, "chinchilla", 0.3)
    assert told is not None
    assert "inside the runs nothing is extrapolated; the nearest rollouts" in str(told)
    assert told.low == pytest.approx(3.0)


def test_a_table_without_budgets_has_no_sizes_to_tell_of(past: Rollout) -> None:
    bare = Rollout(past.rows, past.budgets.iloc[:0], past.cuts, (), past.source)
    told = reliability(bare, "chinchilla", 3.0)
    assert told is not None
    assert (told.sizes, told.size_error, told.size_held, told.waste) == (0, None, None, None)
    assert "N_opt" not in str(told)


def test_what_was_never_checked(past: Rollout) -> None:
    assert reliability(past, "kaplan", 10.0) is None
    with pytest.raises(InputError, match="distance = -1; must be a finite number above 0"):
        reliability(past, "chinchilla", -1.0)


def test_a_table_that_allows_no_rollout_has_no_record(profiles: pd.DataFrame) -> None:
    _, none = calibrated(profiles.head(14), [get("chinchilla")], draws=20)
    assert none.rows.empty
    assert reliability(none, "chinchilla", 10.0) is None
