"""`scaling table check`: all that is wrong, at once, with its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.interchange.check import Checked, check
from scaling.table import write_table

ROOT = Path(__file__).resolve().parents[2]
GOOD = pd.DataFrame(
    {
        "run": ["a", "b", "c", "d"],
        "N": [1e6, 2e6, 4e6, 8e6],
        "N_total": [2e6, 3e6, 5e6, 9e6],
        "D": [1e8, 2e8, 4e8, 8e8],
        "C": [6.6e14, 2.6e15, 1e16, 4e16],
        "C_6ND": [6e14, 2.4e15, 9.6e15, 3.84e16],
        "loss": [3.1, 2.9, 2.7, 2.5],
        "seed": [0, 1, 0, 1],
        "status": "finished",
        "config": '{"depth":2}',
        "N_kind": "non_embedding",
        "D_kind": "tokens",
        "C_kind": "counted",
        "L_kind": "nats_per_token",
    }
)


def checked(df: pd.DataFrame, folder: Path) -> Checked:
    write_table(df, folder / "runs.csv")
    return check(folder / "runs.csv")


def test_a_good_table_has_no_problem(tmp_path: Path) -> None:
    found = checked(GOOD, tmp_path)
    assert found.problems == ()
    assert (found.rows, found.columns, found.version) == (4, 14, 0)
    assert found.compute == pytest.approx((1 / 0.96, 1.0625, 1.1))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"N": [1e6, -1, 4e6, 0]}, "error: column N: is negative in row 2; valid: a number a"),
        ({"N": [1e6, -1, 4e6, 0]}, "error: column N: is zero in row 4;"),
        ({"D": [1e8, None, 4e8, 8e8]}, "error: column D: is NaN or empty in row 2; every row"),
        ({"loss": ["3", "oops", "2", "2"]}, "error: column loss: is not a number in row 2;"),
        ({"loss": [3, 2, float("inf"), 2]}, "error: column loss: is infinite in row 3;"),
        ({"seed": [0, 0.5, 1, 1]}, "error: column seed: is no whole number in row 2;"),
        ({"N_total": 3e6}, "error: column N: is more than N_total in rows 3, 4; at most N_total"),
        ({"C_6ND": [6e14, 2.4e15, 1, 3.84e16]}, "error: column C_6ND: is not 6 N D in row 3;"),
        ({"C_kind": "6ND"}, "error: column C: is not 6 N D, as C_kind says in rows 1, 2, 3, 4;"),
        ({"D": [0.1, 0.2, 0.4, 0.8], "C_6ND": None}, "warning: column C: is 1.06e+09 times 6 N D"),
        ({"run": ["a", "a", "c", "d"], "D": 2e8}, "error: column run: is twice at one D in rows"),
        ({"N_kind": ["total", "non_embedding"] * 2}, "error: column N_kind: mixes non_embedding"),
        ({"N_kind": "both"}, "error: column N_kind: is both in rows 1, 2, 3, 4; valid:"),
        ({"N_kind": "unstated", "L_kind": None}, "warning: N_kind, L_kind unstated;"),
        ({"status": "done"}, "warning: column status: is done in rows 1, 2, 3, 4; usual: finished"),
        ({"config": "depth 2"}, "error: column config: is not JSON in rows 1, 2, 3, 4;"),
        ({"top1_error": [1, 0, 0, 1.5]}, "error: column top1_error: is above 1 in row 4;"),
        ({"learning_rat": 1}, "warning: column learning_rat: passes through unread; if it is"),
    ],
)  # fmt: skip
def test_each_problem_names_column_rows_and_what_is_valid(
    tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    found = checked(GOOD.assign(**changed), tmp_path)
    assert [str(p) for p in found.problems if str(p).startswith(message)], found.problems


def test_runs_that_did_not_finish_need_no_loss(tmp_path: Path) -> None:
    loss, status = [3.1, None, 2.7, 2.5], ["finished", "diverged", "finished", "finished"]
    assert checked(GOOD.assign(loss=loss, status=status), tmp_path).problems == ()
    found = checked(GOOD.assign(loss=loss), tmp_path)
    assert [str(p) for p in found.problems] == [
        "error: column loss: is NaN or empty in row 2; every finished run has one"
    ]


def test_rows_that_repeat_one_another(tmp_path: Path) -> None:
    bare = GOOD[["N", "D", "loss"]]
    found = checked(pd.concat([bare, bare[:1]]), tmp_path)
    told = [str(problem).partition(";")[0] for problem in found.problems]
    assert "warning: rows that repeat an earlier one in row 5" in told


def test_all_problems_in_one_report_and_exit_2(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    write_table(GOOD.assign(N=-1.0, loss=[0, 1, 1, 1]).drop(columns="D"), path)
    done = CliRunner().invoke(app, ["table", "check", str(path)])
    assert done.exit_code == 2
    lines = done.output.splitlines()
    assert lines[0].startswith("error: column D: is not there; it has run, N,")
    assert lines[1].startswith("error: column N: is negative in rows 1, 2, 3, 4;")
    assert lines[2] == "error: column loss: is zero in row 1; valid: a number above 0"
    assert lines[-1].endswith("4 rows, 13 columns, schema version 1: 3 errors, 0 warnings")
    said = json.loads(CliRunner().invoke(app, ["table", "check", str(path), "--json"]).output)
    assert [p["rows"] for p in said["problems"]] == [[], [1, 2, 3, 4], [1]]
    done = CliRunner().invoke(app, ["table", "check", str(path), "--needs", "N"])
    assert "column D" not in done.output


@pytest.mark.parametrize("name", ["vision", "depth", "overfitting-text", "image-text"])
def test_shipped_tables_have_no_problem(name: str) -> None:
    assert check(ROOT / "runs" / name / "table.parquet").problems == ()
