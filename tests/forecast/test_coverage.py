"""Coverage studies: intervals that hold are told from those that do not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.stats import binom, binomtest

from scaling import cli
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit import Draws, Optimum
from scaling.forecast import Predictor, PublishedLaw
from scaling.forecast.rollouts.coverage import (
    LEVELS,
    OWN,
    SCALES,
    Coverage,
    cases,
    coverage,
    judge,
    maker,
    wilson,
)  # fmt: skip
from scaling.forecast.rollouts.truths import C_MAX, DESIGNS, TRUTHS, Case
from scaling.table import write_table

TABLES = 60


@pytest.fixture(scope="module")
def study() -> Coverage:
    """Well specified: where a bootstrap should be honest."""
    return coverage(cases(["chinchilla"], noises=[0.002], replications=TABLES // 2), {}, draws=200)


def test_intervals_of_the_true_law_hold_what_they_claim(study: Coverage) -> None:
    """Within what the binomial allows once in 10,000 times, at every level and distance; and
    7 points below it, which the bootstrap of so few runs may be too narrow by."""
    for row in study.by().to_dict("records"):
        assert row["n"] == TABLES
        for level in LEVELS:
            least = binom.ppf(1e-4, TABLES, level - 0.07) / TABLES
            most = binom.ppf(1 - 1e-4, TABLES, level) / TABLES
            assert least <= row[f"actual {level}"] <= most, (row, level)


class Overconfident:
    """The right law, and a sixth of its spread."""

    cost, c_min, c_max, n_column = Cost(), 0.0, C_MAX, "N"

    def __init__(self, truth: PublishedLaw) -> None:
        self.truth = truth

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        point = self.truth.loss(N, D).point
        return _around(point, 0.005 / 6 if noise else 0.0)

    def optimum(self, C: ArrayLike) -> Optimum:
        best = self.truth.optimum(C)
        return Optimum(_around(best.N.point, 0.1), _around(best.D.point, 0.1), best.loss)


def _around(point: np.ndarray, sd: float) -> Draws:
    normal = np.random.default_rng(0).normal(size=(400, *np.shape(point)))
    return Draws(point, point * np.exp(sd * normal))


def test_a_broken_interval_is_told() -> None:
    truth = TRUTHS["kaplan"]
    asked = cases(["kaplan"], ["grid"], [0.005], 40)
    found = coverage(asked, {"bold": lambda *_, **__: Overconfident(truth)}, own=False)
    rows = found.by().set_index(["quantity", "distance"])
    for distance in ("inside", "10x", "100x"):
        assert rows.loc[("loss", distance), "high 0.9"] < 0.6
        assert rows.loc[("N_opt", distance), "actual 0.9"] == 1.0
    words = "\n".join(found.words())
    assert "bold: 90 % intervals of loss 100x are too narrow" in words
    assert "bold: 90 % intervals of N_opt 100x are too wide: they held 100 %" in words


def _shy(*_: object, **__: object) -> Predictor:
    raise InputError("not this table")


def test_the_truths_own_law_is_asked_once_and_refusals_are_told() -> None:
    asked = [Case("kaplan", "grid", 0.005, i) for i in range(2)]
    makers = {"kaplan": maker("kaplan"), "chinchilla": maker("chinchilla"), "shy": _shy}
    found = coverage(asked, makers, draws=30)
    assert set(found.answers["forecaster"]) == {OWN, "chinchilla"}
    assert len(found.refused) == 2
    assert found.refused[0].startswith("shy on Case(law='kaplan', design='grid'")
    with pytest.raises(InputError, match="no forecaster took any table: shy"):
        coverage(asked, {"shy": _shy}, own=False)


@pytest.mark.parametrize("law", sorted(TRUTHS))
def test_tables_are_drawn_around_their_truth(law: str) -> None:
    for design in DESIGNS:
        case = Case(law, design, 0.01, 3)
        table = case.table
        assert len(table) == 56
        assert table["C"].max() == pytest.approx(C_MAX, rel=0.03)
        truth = case.truth.loss(table["N"], table["D"]).point
        error = np.log(table["loss"] / truth)
        assert 0.007 < error.std() < 0.013
        assert table.equals(Case(law, design, 0.01, 3).table)
        assert not table["loss"].equals(Case(law, design, 0.01, 4).table["loss"])


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(trials: tuple[int, int]) -> None:
    known = binomtest(*trials).proportion_ci(method="wilson")
    assert wilson(*trials) == pytest.approx((known.low, known.high), abs=1e-6)


@given(
    st.lists(st.floats(1.0, 9.0), min_size=2, max_size=30),
    st.floats(0.5, 20.0),
    st.sampled_from(sorted(SCALES)),
)
def test_wider_levels_hold_more_and_scores_charge_for_misses(
    values: list[float], truth: float, quantity: str
) -> None:
    draws = Draws(np.array(np.median(values)), np.array(values))
    found = judge(draws, truth, SCALES[quantity])
    held = [found[f"held {level}"] for level in LEVELS]
    assert held == sorted(held)
    slack = 1e-9
    assert found["score"] >= found["width"] - slack
    assert (found["score"] <= found["width"] + slack) or not found["held 0.9"]


def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["--law", "pnorm", "--design", "grid", "--replications", 2, "--draws", 30]
    code, out, err = scaling(capsys, monkeypatch, "coverage", *few)
    assert (code, err) == (0, "")
    for piece in ("own law", "calibrated default", "N_opt", "100x", " 95 %", "interval score"):
        assert piece in out, piece
    file = tmp_path / "coverage.svg"
    more = ["--by", "noise", "--json", "--plot", file]
    code, out, _ = scaling(capsys, monkeypatch, "coverage", *few, *more)
    assert all(piece in file.read_text() for piece in ("own law (n = 2)", "at 100"))
    rows = json.loads(out)["coverage"]
    assert code == 0
    assert len(rows) == 18  # three forecasters, two quantities, three distances
    assert rows[0]["noise"] == 0.005
    assert rows[0]["low 0.9"] <= rows[0]["actual 0.9"] <= rows[0]["high 0.9"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--law", "bnsl"], "no synthetic law 'bnsl'; valid: chinchilla"),
        (["--design", "cross"], "no synthetic design 'cross'; valid: isoflop, grid"),
        (["--noise", "5"], "noise = 5: a standard deviation of ln loss"),
        (["--by", "size"], "--by size: valid: law, design, noise"),
        (["--forecaster", "chinchila"], "did you mean chinchilla?"),
    ],
)
def test_bad_input(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, err = scaling(capsys, monkeypatch, "coverage", "--replications", 1, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_tables_own_rollouts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.csv"
    write_table(Case("chinchilla", "isoflop", 0.002, 0).table, path)
    words = ["coverage", "--table", path, "--forecaster", "chinchilla", "--draws", 40]
    code, out, err = scaling(capsys, monkeypatch, *words)
    assert (code, err) == (0, "")
    for piece in ("runs", "chinchilla", "10-30x", "loss, bare", "calibrated"):
        assert piece in out, piece
    file = tmp_path / "held.svg"
    code, out, _ = scaling(capsys, monkeypatch, *words, "--json", "--plot", file)
    assert all(piece in file.read_text() for piece in (">chinchilla<", "10-30"))
    lines = json.loads(out)["tables"]
    assert code == 0
    assert [line["bin"] for line in lines] == ["3-10x", "10-30x"]
    assert all(0 <= line["loss_coverage"] <= 1 for line in lines)
    write_table(Case("chinchilla", "isoflop", 0.002, 0).table.iloc[:9], path)
    code, _, err = scaling(capsys, monkeypatch, *words)
    assert code == 2
    assert "too few for a rollout" in err
