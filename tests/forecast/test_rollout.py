"""Rollouts: what they forecast, what they may not see, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries.profiles import isoflop_table

from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import Predictor, from_table
from scaling.forecast.forecasters import default, forecasters, get, sensible
from scaling.forecast.rollouts.rollout import Rollout, calibrated, cuts_of, rollout, rollout_to
from scaling.forecast.rollouts.scores import as_good_rules, loss_cells, record, scores
from scaling.forecast.rows import rows_of
from scaling.laws.law import Law

NAMES = ("isoflop", "approach_2", "chinchilla_near")


def spread_out(table: pd.DataFrame) -> pd.DataFrame:
    """The same table without budgets: no two runs cost alike."""
    return table.assign(C=table.C * np.geomspace(1, 30, len(table)))


@pytest.fixture(scope="module")
def found(profiles: pd.DataFrame) -> Rollout:
    return rollout(profiles, [get(name) for name in NAMES], draws=100)


def test_every_forecaster_is_a_predictor_with_draws(profiles: pd.DataFrame) -> None:
    quick = {"chinchilla", "kaplan", "approach_2", "chinchilla_near", "isoflop", "vpnls"}
    assert quick < set(forecasters())
    for name in sorted(quick):
        made = get(name).make(profiles, draws=20)
        assert isinstance(made, Predictor)
        values = made.loss(1e9, np.array([1e10, 1e11]), noise=True)
        assert values.draws.shape == (20, 2)
        best = made.optimum(1e21)
        assert float(made.cost.flops_per_token(best.N.point) * best.D.point) == pytest.approx(1e21)


def test_the_default_follows_the_layout(profiles: pd.DataFrame) -> None:
    item, why = default(rows_of(profiles))
    assert (item.name, why) == ("isoflop", "6 isoFLOP budgets")
    free = spread_out(profiles)
    item, why = default(rows_of(free))
    assert item.name == "chinchilla_tied"
    assert "0 of 42 rows lie in isoFLOP budgets" in why
    assert "isoflop" not in [one.name for one in sensible(rows_of(free))]


def test_few_sizes_at_each_budget_still_make_an_isoflop_table(profiles: pd.DataFrame) -> None:
    few = profiles.groupby("C").head(4)
    assert default(rows_of(few))[0].name == "isoflop"
    N, D = (v.ravel() for v in np.meshgrid(1e7 * 2.0 ** np.arange(7), 1e9 * 2.0 ** np.arange(8)))
    grid = pd.DataFrame({"N": N, "D": D, "loss": 2 + 400 / N**0.35 + 400 / D**0.3})
    assert not rows_of(grid).budgets  # its diagonals share a C, and their sizes do so by chance


def test_cuts_leave_three_budgets_and_larger_runs(profiles: pd.DataFrame, found: Rollout) -> None:
    assert found.cuts == pytest.approx((9e18, 2.7e19, 8.1e19))
    assert (2.9 * found.rows.cut <= found.rows.C).all()
    rows = rows_of(spread_out(profiles))
    cuts = cuts_of(rows)
    assert cuts
    for cut in cuts:
        assert (cut >= rows.C).sum() >= 15
        assert rows.C.max() >= 2.9 * cut


def test_a_known_law_is_forecast(found: Rollout) -> None:
    table = scores(found).set_index(["forecaster", "bin"])
    assert table.loc[("chinchilla_near", "3-10x"), "loss_error"] < 0.5
    assert table.loc[("isoflop", "3-10x"), "size_error"] < 0.1
    assert table.loc["isoflop"].loss_coverage.mean() > 0.7
    assert set(table.index.get_level_values(0)) == {*NAMES, "twenty", "last_minimum"}
    cells = loss_cells(found)
    assert (cells.loss_score >= cells.loss_width - 1e-9).all()


def test_later_losses_are_not_seen(profiles: pd.DataFrame) -> None:
    cut = 2.7e19
    other = profiles.copy()
    later = cut < other.C
    other.loc[later, "loss"] *= np.random.default_rng(1).uniform(0.5, 2, int(later.sum()))
    seen = ["prediction", "q05", "q95"]
    optimum = ["C", "N_opt", "N_opt_q05", "N_opt_q95", "loss_opt"]
    one, two = (rollout_to(t, [get("isoflop")], cut, draws=50) for t in (profiles, other))
    keys = ["N", "D"]
    pd.testing.assert_frame_equal(
        one.rows.sort_values(keys)[seen].reset_index(drop=True),
        two.rows.sort_values(keys)[seen].reset_index(drop=True),
    )
    pd.testing.assert_frame_equal(one.budgets[optimum], two.budgets[optimum])
    assert len(one.rows) == int(later.sum())
    # the same cut in the study of all cuts says the same
    study = rollout(profiles, [get("isoflop")], draws=50)
    same = study.rows[study.rows.cut == study.cuts[1]]
    np.testing.assert_allclose(same.prediction, one.rows.prediction)


def test_intervals_learn_from_a_law_that_is_wrong() -> None:
    """Kaplan's law has no irreducible loss: its own draws miss, calibrated ones less so."""
    cells = loss_cells(rollout(isoflop_table(8, noise=2e-4), [get("kaplan")], draws=100))
    later = cells[cells.cut > cells.cut.min()]
    bare, learnt = later.loss_bare_coverage.mean(), later.loss_coverage.mean()
    assert bare < 0.75
    assert learnt > bare + 0.1


def test_the_record_and_a_table_whose_law_moves(profiles: pd.DataFrame, found: Rollout) -> None:
    kept = record(found, "isoflop")
    assert kept is not None
    assert not kept.fails
    assert kept.checked == pytest.approx(27)
    assert "10-30x" in str(kept)
    assert record(found, "kaplan") is None
    # the frontier turns flat from the fourth budget on
    turned = profiles.assign(loss=profiles.loss * np.maximum(profiles.C / 2.7e19, 1) ** 0.07)
    (predictor,), past = calibrated(turned, [get("isoflop")], draws=50)
    lost = record(past, "isoflop")
    assert lost is not None
    assert lost.fails
    assert str(lost).startswith("do not trust this forecast")
    steady = calibrated(profiles, [get("isoflop")], draws=50)[0][0]
    wide, narrow = (p.optimum(1e22).loss.interval() for p in (predictor, steady))
    assert np.ptp(wide) > np.ptp(narrow)


def test_rules_as_good_are_named(profiles: pd.DataFrame, found: Rollout) -> None:
    worse = found.budgets.assign(
        N_opt=np.where(found.budgets.forecaster == "isoflop", 10, 1) * found.budgets.N_opt
    )
    told = as_good_rules(Rollout(found.rows, worse, found.cuts, (), "t"), "isoflop")
    assert len(told) == 2
    assert "20 tokens for each parameter has been as good as isoflop" in told[0]
    better = found.budgets.copy()
    own = better.forecaster == "isoflop"
    better.loc[own, "N_opt"] = np.exp(better[own].n_true)
    assert as_good_rules(Rollout(found.rows, better, found.cuts, (), "t"), "isoflop") == []


def test_a_count_of_its_own_divides_the_tables_budgets() -> None:
    table = isoflop_table()
    table["C"] *= 1.3  # attention and embeddings cost 30 % more than 6 N a token
    item = get("chinchilla_near").make(table, draws=0)
    assert item.cost.kind == "counted"
    best = item.optimum(1.3e21)
    assert 6 * float(best.N.point) * float(best.D.point) == pytest.approx(1e21, rel=0.01)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        (2, "2 distinct budgets, 14 rows and 3x in compute are too few for a rollout; it needs at"),
        (3, "3 distinct budgets, 21 rows and 9x in compute are too few"),
    ],
)
def test_too_few_budgets(budgets: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rollout(isoflop_table(budgets), [get("isoflop")])


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (5e18, "2 distinct budgets at or below C = 5e\\+18; a rollout needs at least 3"),
        (1e17, "leaves nothing on one side"),
        (1e25, "leaves nothing on one side"),
    ],
)
def test_cuts_that_leave_too_little(profiles: pd.DataFrame, cut: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rollout_to(profiles, [get("isoflop")], cut)


def test_unknown_forecasters() -> None:
    with pytest.raises(InputError, match=r"unknown forecaster 'isoflops'.*did you mean isoflop"):
        get("isoflops")


def test_a_posterior_is_sampled_once(
    profiles: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the cuts of its rollouts the law has normal draws, and the forecast says so."""
    asked: list[str] = []

    def quick(law: Law, table: pd.DataFrame, **settings: Any) -> Fit:
        asked.append(settings["kind"])
        return fit(law, table, **{**settings, "kind": "laplace"})

    monkeypatch.setattr(from_table, "fit", quick)
    found = from_table.of_law(profiles, "chinchilla", kind="posterior", draws=50)
    assert asked.count("posterior") == 1
    assert asked.count("laplace") == len(asked) - 1 > 0
    assert "rollouts are of chinchilla without priors, with normal draws" in found.lines
