"""`scaling table join` and `summarise`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.interchange.join import account, join
from scaling.interchange.summary import summary
from scaling.table import read_table, write_table

ROOT = Path(__file__).resolve().parents[2]


def runs() -> pd.DataFrame:
    df = pd.DataFrame(
        {"run": ["a", "b", "c"], "N": [1e6, 2e6, 4e6], "D": 1e8, "loss": [3.1, 2.9, 2.7]}
    ).assign(N_kind="total")
    df.attrs["source"] = "runs.csv"
    return df


def tasks(**columns: object) -> pd.DataFrame:
    df = pd.DataFrame({"run": ["c", "a", "x"], "accuracy": [0.5, 0.3, 0.9]}).assign(**columns)
    df.attrs["source"] = "tasks.csv"
    return df


def test_rows_keep_their_order_and_take_their_partners_columns() -> None:
    found = join(runs(), tasks())
    assert found.table[["run", "accuracy"]].to_numpy().tolist() == [["a", 0.3], ["c", 0.5]]
    assert (found.matched, found.first_only, found.second_only) == (2, 1, 1)
    assert len(list(account(found))) == 3


def test_all_of_the_first_or_of_both() -> None:
    left = join(runs(), tasks(), how="left").table
    assert left["run"].tolist() == ["a", "b", "c"]
    assert left["accuracy"].isna().tolist() == [False, True, False]
    outer = join(runs(), tasks(loss=[2.7, 3.1, 9.0]), how="outer").table
    assert outer["run"].tolist() == ["a", "b", "c", "x"]
    assert outer["loss"].tolist() == [3.1, 2.9, 2.7, 9.0]


def test_several_columns_say_what_belongs_together() -> None:
    second = runs()[["N", "D"]].assign(accuracy=[1.0, 2.0, 3.0])[::-1]
    assert join(runs(), second, ["N", "D"]).table["accuracy"].tolist() == [1.0, 2.0, 3.0]


def test_a_suffix_overwrites_no_column() -> None:
    second = tasks(loss=[2.8, 3.1, 9.0])
    taken = runs().assign(loss_2=1.0)
    taken.attrs["source"] = "runs.csv"
    with pytest.raises(InputError, match=r"runs\.csv: has a column loss_2 already"):
        join(taken, second, suffix="_2")
    # Columns that agree keep their names where another happens to end so.
    outer = join(runs().assign(N_2=0), tasks(N=[4e6, 1e6, 7.0]), how="outer", suffix="_2").table
    assert outer["N"].tolist() == [1e6, 2e6, 4e6, 7.0]


def test_there_is_something_to_join_on() -> None:
    with pytest.raises(InputError, match="no column to join on"):
        join(runs(), tasks(), [])


def test_columns_of_both_are_one_where_they_agree() -> None:
    found = join(runs(), tasks(N=[4e6, None, 1.0]))
    assert found.table["N"].tolist() == [1e6, 4e6]
    with pytest.raises(
        InputError,
        match=r"runs.csv and tasks.csv differ in loss \(3\.1 against 3\.0, row 1\); .*--suffix",
    ):
        join(runs(), tasks(loss=[2.7, 3.0, 1.0]))
    found = join(runs(), tasks(loss=[2.7, 3.0, 1.0]), suffix="_task", how="outer")
    assert found.table["loss"].tolist()[:3] == [3.1, 2.9, 2.7]
    assert found.table["loss_task"].tolist()[0] == 3.0
    assert found.table["loss_task"].tolist()[3] == 1.0


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (tasks(N_kind="non_embedding"), "N_kind is total in runs.csv and non_embedding in tasks"),
        (tasks(run=["c", "c", "x"]), "tasks.csv: run is the same in rows 1, 2; the second"),
        (tasks(run=["c", None, "x"]), "tasks.csv: run is empty in row 2"),
        (tasks(run=[1, 2, 3]), "run is a number in tasks.csv and text in runs.csv"),
        (tasks(run=["x", "y", "z"]), r"no row of one has the run of a row .* \(a against x\)"),
        (tasks().drop(columns="run"), "tasks.csv: no column run to join on; it has accuracy"),
    ],
)
def test_tables_that_do_not_fit_are_refused(second: pd.DataFrame, message: str) -> None:
    second.attrs["source"] = "tasks.csv"
    with pytest.raises(InputError, match=message):
        join(runs(), second)


def test_the_command_writes_and_tells(tmp_path: Path) -> None:
    first, second, to = (tmp_path / n for n in ("runs.csv", "tasks.jsonl", "both.parquet"))
    write_table(runs(), first)
    write_table(tasks(), second)
    line = ["table", "join", str(first), str(second), "-o", str(to)]
    done = CliRunner().invoke(app, line)
    assert done.output.splitlines() == [
        "2 rows matched; 1 row of the first without a partner; 1 row of the second without one",
        f"{to}: 2 rows, 6 columns, schema version 1",
    ]
    assert read_table(to)["accuracy"].tolist() == [0.3, 0.5]
    assert "is there" in str(CliRunner().invoke(app, line).exception)
    said = json.loads(CliRunner().invoke(app, [*line, "--force", "--json"]).output)
    assert (said["rows"], said["matched"]) == (2, 2)
    bad = CliRunner().invoke(app, [*line, "--how", "right"])
    assert "valid are inner, left, outer" in str(bad.exception)


def test_a_summary_counts_what_is_there() -> None:
    table = ROOT / "runs" / "vision" / "table.parquet"
    said = json.loads(CliRunner().invoke(app, ["table", "summarise", str(table), "--json"]).output)
    assert said["rows"] == said["runs"] == 304
    assert said["counts"]["family"] == {"mlp": 76, "cnn": 76, "resnet": 76, "vit": 76}
    assert said["ranges"]["N"]["values"] == read_table(table)["N"].nunique()
    assert said["conventions"]["D_kind"] == "images"
    assert said["repeats"] == 100
    text = CliRunner().invoke(app, ["table", "summarise", str(table)]).output
    assert "family: mlp (76), cnn (76), resnet (76), vit (76)" in text
    assert len(text.splitlines()) <= 24  # one screen


def test_a_summary_finds_budgets_and_gaps() -> None:
    rows = [
        {"N": size, "D": budget / 6 / size, "loss": None if size == 1e6 else 3.0, "seed": 0}
        for budget in (1e15, 1e16, 1e17)
        for size in (1e6, 2e6, 3e6, 4e6, 5e6)
    ]
    facts = summary(pd.DataFrame([*rows, {"mine": 1}]))
    assert [round(b["C"] / 1e15) for b in facts["budgets"]] == [1, 10, 100]
    assert {b["sizes"] for b in facts["budgets"]} == {5}
    assert facts["missing"] == {"N": 1, "D": 1, "loss": 4, "seed": 1, "mine": 15}
    assert facts["other_columns"] == ["mine"]
    assert facts["counts"]["seed"] == {"0": 15}
