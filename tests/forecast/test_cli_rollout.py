"""`scaling rollout`, `scaling compare` and the calibrated `scaling forecast`, through the real
command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import cli
from scaling.table import read_table, write_table

Said = tuple[int, str, str]


@pytest.fixture
def scaling(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def test_one_cut_as_json(scaling, profiles_file: Path, profiles: pd.DataFrame) -> None:
    words = ("rollout", profiles_file, "--max-compute", "2.7e19", "--draws", 60, "--json")
    code, out, err = scaling(*words)
    told = json.loads(out)
    assert (code, err) == (0, "")
    later = profiles[profiles.C > 2.7e19]
    assert len(told["rows"]) == len(later)
    for row in told["rows"]:
        assert {"N", "D", "C", "loss", "prediction", "q05", "q95"} <= set(row)
        assert row["q05"] < row["prediction"] < row["q95"]
    assert [b["C"] for b in told["budgets"]] == sorted(later.C.unique())
    for b in told["budgets"]:
        assert b["N_opt_q05"] < b["N_opt"] < b["N_opt_q95"]
        assert 1.7 < b["loss_opt"] < 3
    assert set(told["rules"]) == {"twenty", "last_minimum"}
    assert told["forecaster"] == "isoflop"


def test_all_cuts_in_words_and_as_a_figure(scaling, profiles_file: Path, tmp_path: Path) -> None:
    figure = tmp_path / "rollout.svg"
    names = ["--forecaster", "isoflop", "--forecaster", "approach_2"]
    words = ("rollout", profiles_file, *names, "--draws", 40, "--plot", figure)
    code, out, err = scaling(*words)
    assert (code, err) == (0, "")
    for piece in ("3 cuts by isoflop, approach_2", "10-30x", "twenty", "last_minimum", "waste"):
        assert piece in out, piece
    assert "\x1b" not in out
    drawn = figure.read_text()
    assert "mean-loss_error-isoflop" in drawn
    assert "mean-size_error-twenty" in drawn
    scaling(*words[:-1], tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn


def test_a_forecast_tells_its_record_and_what_is_unchecked(scaling, profiles_file: Path) -> None:
    asked = ("forecast", profiles_file, "--compute", "7e20", "--draws", 200)
    code, out, err = scaling(*asked)
    assert (code, err) == (0, "")
    for piece in ("naive    N_opt by rule of thumb: twenty", "has predicted this table's own runs",
                  "90 % intervals held"):  # fmt: skip
        assert piece in out, piece
    assert "unchecked" not in out
    code, out, _ = scaling("forecast", profiles_file, "--compute", "1e23", "--draws", 200)
    assert out.startswith("unchecked: 412 x the largest run, and rollouts in this table reach 27 x")
    code, out, _ = scaling(*asked, "--compute", "1e23", "--json")
    told = json.loads(out)
    assert [row["beyond_checked"] for row in told["budgets"]] == [False, True]
    assert told["record"]["fails"] is False
    assert told["law"] == "isoflop"
    assert set(told["budgets"][0]["naive"]) == {"twenty", "last_minimum"}
    near, far = (np.log(b["N_opt_q95"] / b["N_opt_q05"]) for b in told["budgets"])
    assert near < far


def test_a_law_without_rollouts_is_as_before(scaling, profiles_file: Path) -> None:
    law = ("forecast", profiles_file, "--law", "kaplan", "--compute", "1e22", "--draws", 100)
    _, out, _ = scaling(*law, "--no-rollouts", "--json")
    bare = json.loads(out)
    assert "record" not in bare
    assert bare["law"] == "kaplan"
    assert set(bare["params"]) == {"Nc", "Dc", "aN", "aD"}
    _, out, _ = scaling(*law, "--json")
    calibrated = json.loads(out)
    assert calibrated["params"] == bare["params"]
    one, two = bare["budgets"][0], calibrated["budgets"][0]
    assert two["N_opt"] == one["N_opt"]
    assert two["loss_opt_q95"] - two["loss_opt_q05"] > one["loss_opt_q95"] - one["loss_opt_q05"]


def test_a_table_whose_law_moves_is_not_to_be_trusted(
    scaling,
    profiles_file: Path,
    tmp_path: Path,
) -> None:
    table = read_table(profiles_file)
    turned = table.assign(loss=table.loss * np.maximum(table.C / 2.7e19, 1) ** 0.07)
    write_table(turned, tmp_path / "turned.csv")
    code, out, _ = scaling("forecast", tmp_path / "turned.csv", "--compute", "1e21", "--draws", 100)
    assert code == 0
    assert out.startswith("do not trust this forecast")


def test_compare_and_the_average(scaling, profiles_file: Path, tmp_path: Path) -> None:
    laws = ("--laws", "chinchilla_near,kaplan,isoflop", "--draws", 60)
    code, out, err = scaling("compare", profiles_file, *laws)
    assert (code, err) == (0, "")
    for piece in ("behind the best", "AICc", "kaplan", "would tell", "they differ most"):
        assert piece in out, piece
    file = tmp_path / "laws.svg"
    more = ("--within", "1e20", "--json", "--plot", file)
    _, out, _ = scaling("compare", profiles_file, *laws, *more)
    told = json.loads(out)
    assert all(name in file.read_text() for name in ("chinchilla_near", "kaplan", "average"))
    assert told["telling_run"]["C"] <= 1.0001e20
    assert sum(told["weights"].values()) == pytest.approx(1)
    code, out, err = scaling("forecast", profiles_file, *laws, "--compute", "1e21", "--json")
    assert json.loads(out)["weights"] == pytest.approx(told["weights"])


def test_a_cut_just_below_the_last_budget_scores_nothing_and_says_so(
    scaling, profiles_file: Path
) -> None:
    top = read_table(profiles_file)["C"].max()
    code, out, _ = scaling("rollout", profiles_file, "--max-compute", f"{0.6 * top}", "--draws", 20)
    assert code == 0
    assert "too near to score" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rollout", "TABLE", "--max-compute", "4e18"), "2 distinct budgets at or below C = 4e+18"),
        (
            ("rollout", "TABLE", "--forecaster", "magic"),
            "unknown forecaster 'magic'; known: b",
        ),
        (("rollout", "TABLE", "--plot", "x.gif", "--draws", "20"), "ends in one of .svg"),
        (("rollout", "TABLE", "--plot", "no/where.svg"), "no such folder no"),
        (("compare", "TABLE", "--plot", "x.gif"), "ends in one of .svg"),
        (("coverage", "--plot", "no/where.svg"), "no such folder no"),
        (("coverage", "--table", "TABLE", "--by", "law"), "--by is of synthetic tables"),
        (("compare", "TABLE", "--laws", "kaplan"), "two laws or more"),
        (("compare", "TABLE", "--laws", "kaplan,magic"), "unknown forecaster 'magic'"),
        (("forecast", "TABLE", "--laws", "a,b", "--law", "c", "--compute", "1"), "choose one"),
        (
            (
                "forecast",
                "TABLE",
                "--laws",
                "kaplan,chinchilla",
                "--fix",
                "E=1",
                "--compute",
                "1e21",
            ),
            "options of a fit need --law",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    scaling,
    profiles_file: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    code, out, err = scaling(*(profiles_file if word == "TABLE" else word for word in words))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
