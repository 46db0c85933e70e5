"""How many epochs, how much unique data, which size: held against what the truth behind says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling import laws
from scaling.cli import app
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast.further.answers import Answer, to_json
from scaling.forecast.further.overfitting import Repetition

TRUTH = {
    "E": 1.2, "A": 40.0, "B": 300.0, "alpha": 0.3, "beta": 0.4,
    "P": 2e-2, "delta": 1.1, "kappa": 0.3, "lam": 0.5,
}  # fmt: skip
N, U = 2e5, 1e6


def runs(noise: float = 0.003) -> pd.DataFrame:
    """Sizes x unique data x epochs, two seeds; and fresh data throughout."""
    rng = np.random.default_rng(0)
    rows = []
    for n in (1e4, 3e4, 1e5, 3e5):
        for u in (1e5, 4e5, 1.6e6, 1e8):
            lengths = (
                [e * u for e in (1, 2, 4, 8, 16, 32)] if u < 1e8 else np.geomspace(1e6, 1e8, 6)
            )
            for d in lengths:
                for seed in (0, 1):
                    loss = laws.get("overfit").predict(n, d, u, **TRUTH)
                    loss *= np.exp(noise * rng.normal())
                    rows.append((n, d, u, loss, seed, f"{n}/{u}/{seed}"))
    return pd.DataFrame(rows, columns=["N", "D", "D_unique", "loss", "seed", "trunk"])


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit("overfit", runs(), draws=100)


@pytest.fixture(scope="module")
def asked(fitted: Fit) -> Repetition:
    return Repetition(fitted)


def true_loss(epochs: np.ndarray, unique: float = U, size: float = N) -> np.ndarray:
    return np.asarray(laws.get("overfit").predict(size, epochs * unique, unique, **TRUTH))


def holds(answer: Answer, truth: float) -> bool:
    return answer.q05 <= truth <= answer.q95


def test_the_turn_and_what_is_enough(asked: Repetition) -> None:
    grid = np.geomspace(1, 128, 20_000)
    loss = true_loss(grid)
    found = asked.epochs(N, U)
    assert found.turns == 1.0
    assert holds(found.best, grid[np.argmin(loss)])
    assert found.best.point == pytest.approx(grid[np.argmin(loss)], rel=0.1)
    assert holds(found.best_loss, loss.min())
    assert found.enough.point == pytest.approx(grid[loss <= 1.01 * loss.min()][0], rel=0.1)
    assert found.enough.point < found.best.point


def test_worth_in_fresh_data_is_the_length_that_gives_the_same_loss(asked: Repetition) -> None:
    found = asked.epochs(N, U, [1.0, 3.0, 6.0])
    first, *others = found.rows
    assert first.fresh.point == pytest.approx(1.0, rel=1e-12)
    for row in others:
        fresh = row.fresh.point * U
        same = asked.loss(N, np.array([fresh]), np.array([fresh]))[0, 0]
        assert same == pytest.approx(row.loss.point, rel=1e-9)
        assert 1 < row.fresh.point < row.epochs
    assert found.rows[0].next_token.point > found.rows[1].next_token.point
    assert [row.epochs for row in found.rows] == [1.0, 3.0, 6.0]


def test_past_the_turn_one_more_token_is_worth_less_than_nothing(asked: Repetition) -> None:
    found = asked.epochs(N, U)
    late = asked.epochs(N, U, [2 * found.best.point]).rows[0]
    assert late.next_token.q95 < 0
    at_half = asked.epochs(N, U, [found.half.point]).rows[0]
    assert at_half.next_token.point == pytest.approx(0.5, abs=0.03)
    assert 1 < found.half.point < found.best.point


def test_a_penalty_that_starts_steeply_is_not_taken_for_its_end(asked: Repetition) -> None:
    """With delta < 1 the first repeated token costs most, the next ones are worth more."""
    steep = {**asked.fit.params, "delta": 0.4, "P": 0.8}
    found = Repetition(replace(asked.fit, params=steep, draws=asked.fit.draws[:0])).epochs(N, U)
    assert found.rows[0].next_token.point < 0.5 < found.rows[1].next_token.point
    assert found.half.point > 2


def test_unique_data_that_a_run_needs(asked: Repetition) -> None:
    D = 1e7
    found = asked.needed(N, D)
    fresh = laws.get("overfit").predict(N, D, D, **TRUTH)
    unique = np.geomspace(1e3, D, 20_000)
    enough = unique[laws.get("overfit").predict(N, D, unique, **TRUTH) <= 1.01 * fresh][0]
    assert holds(found.D_unique, enough)
    assert found.D_unique.point == pytest.approx(enough, rel=0.2)


def test_unique_data_for_the_loss_of_unlimited_data(asked: Repetition) -> None:
    found = asked.needed(N)
    grid = np.geomspace(1, 128, 300)
    floor = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"]
    best = {u: true_loss(grid, u).min() for u in np.geomspace(1e5, 1e10, 2000)}
    enough = next(u for u, loss in best.items() if loss <= 1.01 * floor)
    assert holds(found.D_unique, enough)
    wider = Repetition(asked.fit, within=0.05).needed(N)
    assert wider.D_unique.point < found.D_unique.point


def test_a_budget_goes_to_size_where_data_are_scarce(asked: Repetition) -> None:
    C = 6 * 1e5 * 1e7
    found = asked.budget(C, 1e5)
    sizes = np.geomspace(1e3, 1e8, 20_000)
    loss = laws.get("overfit").predict(sizes, C / (6 * sizes), 1e5, **TRUTH)
    assert holds(found.N, sizes[np.argmin(loss)])
    assert found.loss.point > found.fresh_loss.point
    assert found.N.point > found.fresh_size.point
    assert found.epochs.point == pytest.approx(C / (6 * found.N.point * 1e5), rel=1e-9)


def test_a_law_without_harm_has_no_turn() -> None:
    seen = fit("muennighoff_tied", runs(), draws=20, fixed={"RD": 5.0, "RN": 5.0})
    found = Repetition(seen).epochs(N, U)
    assert found.turns == 0.0
    assert np.isinf(found.best.point)
    assert str(found.best).startswith("> 128")
    assert to_json(found)["best"]["point"] is None
    assert np.isfinite(found.enough.point)


def test_without_draws_there_are_no_intervals(fitted: Fit) -> None:
    found = Repetition(replace(fitted, draws=fitted.draws[:0])).epochs(N, U)
    assert found.best.q05 == found.best.point == found.best.q95
    assert "[" not in str(found.best)


def test_what_lies_outside_the_runs_is_said(asked: Repetition) -> None:
    assert asked.beyond(N=1e5, D_unique=1e6, epochs=32.0, D=None) == []
    told = asked.beyond(N=3e6, D_unique=1e4, epochs=64.0)
    assert [line.split(" = ")[0] for line in told] == ["N", "D_unique", "epochs"]
    assert "10 times the largest" in told[0]
    assert "10 times below the least" in told[1]


def test_kaplans_criterion_gives_the_papers_rule() -> None:
    """Section 4.2, eq. 4.4: within 2 % of unlimited data needs D >= 5e3 N^0.74."""
    n, d = np.meshgrid(np.geomspace(1e6, 1e9, 6), np.geomspace(1e7, 1e11, 6))
    p = laws.published["kaplan2020"].params
    loss = laws.get("kaplan").predict(N=n, D=d, **p)
    table = pd.DataFrame({"N": n.ravel(), "D": d.ravel(), "loss": loss.ravel()})
    asked = Repetition(fit("kaplan", table, draws=0), within=0.02)
    small, large = (asked.needed(size).D_unique.point for size in (1e7, 1e9))
    assert np.log(large / small) / np.log(100) == pytest.approx(0.74, abs=0.005)
    assert small / 1e7**0.74 == pytest.approx(5e3, rel=0.15)  # printed with one digit
    for question in (lambda: asked.epochs(1e7, 1e8), lambda: asked.budget(1e18, 1e8)):
        with pytest.raises(InputError, match=r"law kaplan says nothing of (epochs|budgets)"):
            question()


def test_bad_questions(asked: Repetition) -> None:
    with pytest.raises(InputError, match="kaplan_n is of N: repeated data need a law of N, D and"):
        Repetition(fit("kaplan_n", runs(), draws=0))
    for bad in ({"within": 0.0}, {"within": 1.0}, {"reach": 1.0}):
        with pytest.raises(InputError, match="must be a number"):
            Repetition(asked.fit, **bad)
    with pytest.raises(InputError, match="D_unique = -1; must be a finite number above 0"):
        asked.epochs(N, -1.0)
    with pytest.raises(InputError, match=r"epochs = 0\.5; must be 1 or more"):
        asked.epochs(N, U, [0.5])
    with pytest.raises(InputError, match="N = 0; must be"):
        asked.needed(0.0)


def test_the_command_answers_in_words_and_json(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    runs().to_csv(path, index=False)
    arguments = ["epochs", str(path), "--size", "200k", "--unique", "1M", "--draws", "20"]
    said = CliRunner().invoke(app, [*arguments, "--seen", "10M", "--compute", "6e12", "--at", "4"])
    assert said.exit_code == 0, said.output
    for words in ("the loss is least after", "within 1 % of that", "needs to lose no more than 1 %",
                  "best for C = 6e+12", "worth fresh epochs"):  # fmt: skip
        assert words in said.output
    data = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert data["epochs"]["turns"] == 1.0
    assert data["epochs"]["best"]["q05"] <= data["epochs"]["best"]["point"]
    assert len(data["needed"]) == 1
    assert data["budget"] is None


def test_the_command_needs_repetition_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "fresh.csv"
    table = runs()
    table.assign(D_unique=1e9).to_csv(path, index=False)
    said = CliRunner().invoke(app, ["epochs", str(path), "--draws", "20"])
    assert said.exit_code != 0
    assert "no run repeats its data" in str(said.exception)


def test_the_command_takes_a_law_of_early_stopped_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    best = runs().groupby(["N", "D_unique"], as_index=False)["loss"].min()
    best.rename(columns={"loss": "best_loss"}).to_csv(path, index=False)
    columns = "D=D_unique,L=best_loss"
    said = CliRunner().invoke(
        app, ["epochs", str(path), "--law", "kaplan", "--columns", columns, "--draws", "20"]
    )
    assert said.exit_code == 0, said.output
    assert "unique tokens that N = 300,000 needs" in said.output
    assert "epochs" not in said.output
