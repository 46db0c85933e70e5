"""The run table: reading, writing, checking, and the stated rule for rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.table import (
    check_table,
    conventions,
    read_table,
    select_rows,
    with_recovered,
    write_table,
    write_text,
)
from scaling.where import matches


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "b", "c", "d"],
            "N": [1e5, 2e5, 4e5, 8e5],
            "D": [1e6, 2e6, 4e6, 8e6],
            "loss": [3.1, 2.9, np.nan, 2.5],
            "status": ["finished", "finished", "diverged", "finished"],
            "role": ["pilot", "pilot", "pilot", "target"],
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_round_trip_is_exact_and_deterministic(tmp_path: Path, suffix: str) -> None:
    df = frame().assign(loss=[1 / 3, np.pi, np.nan, 2e-17])
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    write_table(df, one)
    back = read_table(one)
    pd.testing.assert_frame_equal(back, df, check_exact=True)
    write_table(back, two)  # the source's name that reading adds is not written
    assert one.read_bytes() == two.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [one.name, two.name]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space"):
        write_table(frame(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_text("x", tmp_path / "nowhere" / "fit.json")


def test_columns_take_the_files_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("params,tokens,val\n1,2,3\n")
    df = read_table(path, {"N": "params", "D": "tokens", "L": "val"})
    check_table(df)
    assert df[["N", "D", "loss"]].to_numpy().tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gone.csv", None, "no such file"),
        ("t.xlsx", "", r"ends in one of \.csv, \.tsv, \.parquet"),
        ("t.csv", "", "the file is empty"),
        ("t.csv", "N,D,loss\n", "has no rows"),
        ("t.parquet", "not parquet", "cannot be read as parquet"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").mkdir()
    with pytest.raises(InputError, match="a folder, not a table"):
        read_table(tmp_path / "runs.csv")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"N,D,loss\n\xff\xfe,1,1\n")
    with pytest.raises(InputError, match=r"t\.csv: cannot be read"):
        read_table(tmp_path / "t.csv")


def test_an_unknown_column_names_what_is_there_and_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("N,D,Loss\n1,2,3\n")
    df = read_table(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: no column loss; it has N, D, Loss; nearest: L"):
        check_table(df)
    with pytest.raises(InputError, match="no column los"):
        read_table(tmp_path / "t.csv", {"loss": "los"})


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "NaN or empty"),
        ("inf", "infinite"),
        ("0", "zero or negative"),
        ("-1", "zero or negative"),
        ("x", "not a number"),
    ],
)
@pytest.mark.parametrize("column", ["N", "D", "loss"])
def test_bad_values_name_file_column_and_row(
    tmp_path: Path, column: str, value: str, what: str
) -> None:
    row = {"N": "2", "D": "2", "loss": "2"} | {column: value}
    path = tmp_path / "bad.csv"
    path.write_text(f"N,D,loss\n1,1,1\n{row['N']},{row['D']},{row['loss']}\n3,3,3\n")
    with pytest.raises(InputError, match=rf"bad\.csv: column {column} is {what} in row 2;"):
        check_table(read_table(path))


def test_the_stated_rule_and_its_account() -> None:
    rows, account = select_rows(frame(), "N < 2e5")
    assert rows["run"].tolist() == ["a"]
    assert [str(item) for item in account] == [
        "1 row left out: status is diverged",
        "1 row left out: role is target: a target never enters a fit",
        "1 row left out: not N < 2e5",
    ]
    check_table(rows)  # the diverged row's NaN is gone
    with pytest.raises(InputError, match=r"no rows left to fit \(.*not N < 0"):
        select_rows(frame(), "N < 0")


def test_runs_that_a_rate_was_tuned_on_enter_no_fit() -> None:
    rows, (item,) = select_rows(pd.DataFrame({"role": ["pilot", "tuning"], "N": [1.0, 2.0]}))
    assert rows["N"].tolist() == [1.0]
    assert str(item) == "1 row left out: role is tuning: its runs were to find a rate"


def test_recovered_runs_enter_a_fit_only_when_asked() -> None:
    df = pd.DataFrame({"status": ["finished", "recovered", "failed"], "N": [1.0, 2.0, 3.0]})
    rows, account = select_rows(df)
    assert rows["N"].tolist() == [1.0]
    assert "1 row left out: status is recovered" in map(str, account)
    assert select_rows(with_recovered(df))[0]["N"].tolist() == [1.0, 2.0]
    assert with_recovered(df[["N"]]).equals(df[["N"]])


def test_rows_are_named_as_in_the_file_after_a_selection() -> None:
    df = frame().assign(loss=[3.0, np.nan, 1.0, 1.0])
    rows, _ = select_rows(df)
    with pytest.raises(InputError, match="row 2"):
        check_table(rows)


def test_conventions() -> None:
    assert conventions(frame()) == dict.fromkeys(
        ("N_kind", "C_kind", "L_kind", "D_kind"), "unstated"
    )
    stated = frame().assign(N_kind="total", C_kind=[None] * 4)
    assert conventions(stated)["N_kind"] == "total"
    assert conventions(stated)["C_kind"] == "unstated"
    mixed = frame().assign(N_kind=["total", "non_embedding"] * 2)
    with pytest.raises(InputError, match="N_kind mixes non_embedding and total"):
        conventions(mixed)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("N > 1e5 and D < 8e6", "bc"),
        ("not N > 1e5 or loss == 2.5", "ad"),
        ("2e5 <= N < 8e5", "bc"),
        ("D / N == 10", "abcd"),
        ("N * 10 - D + 1 > 0", "abcd"),
        ("run in ['a', 'd']", "ad"),
        ("run not in ['a', 'd'] and status != 'diverged'", "b"),
        ("-N < -4e5", "d"),
        ("N ** 2 > 1e11", "cd"),
    ],
)
def test_filters(where: str, rows: str) -> None:
    df = frame()
    assert "".join(df["run"][matches(df, where)]) == rows


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("n > 1", "no column n; it has run, N, D"),
        ("__import__('os').system('true')", "not allowed"),
        ("N.real > 1", "not allowed"),
        ("[x for x in N]", "not allowed"),
        ("(lambda: 1)()", "not allowed"),
        ("N >", "not an expression"),
        ("N", "no true or false"),
        ("N and D", "neither true nor false"),
        ("run > 1", "filter"),
        ("N is 1", "not allowed"),
        ("1 in [1]", "needs a column"),
        ("1 < 2", "no true or false"),
        ("run == 'a' * 10**15", "counts with text"),
        ("-" * 3000 + "N > 1", "nested too deep|not an expression"),
    ],
)
def test_bad_filters(where: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        matches(frame(), where)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(min_value=1e-300, max_value=1e300), min_size=1, max_size=20))
def test_csv_keeps_every_bit(tmp_path: Path, values: list[float]) -> None:
    write_table(pd.DataFrame({"loss": values}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")["loss"].tolist() == values


def metrics() -> pd.DataFrame:
    return frame().assign(
        loss_se=0.01,
        top1_error=[0.3, 0.2, 0.1, 0.05],
        recall_at_1=[0.25, 0.5, 0.75, 0.8],
        train_loss=[3.0, 2.8, 2.6, 2.4],
        train_loss_se=0.02,
        L_kind="nats_per_image",
        D_kind="images",
    )


@pytest.mark.parametrize(
    ("column", "kind", "first"),
    [
        ("top1_error", "top1_error", 0.3),
        ("recall_at_1", "one_minus_recall_at_1", 0.75),  # more is better: what is missed
        ("train_loss", "train_loss", 3.0),
        ("N", "N", 1e5),  # nobody's loss in nats per image
    ],
)
def test_another_column_as_loss(tmp_path: Path, column: str, kind: str, first: float) -> None:
    path = tmp_path / "table.csv"
    write_table(metrics(), path)
    df = read_table(path, {"L": column})
    assert df["loss"][0] == first
    assert conventions(df)["L_kind"] == kind
    assert conventions(df)["D_kind"] == "images"
    if column == "train_loss":
        assert (df["loss_se"] == 0.02).all()
    else:
        assert "loss_se" not in df  # it is of the held-out loss


def test_a_foreign_loss_keeps_what_stands_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(frame().rename(columns={"loss": "val"}).assign(loss_se=0.01), path)
    df = read_table(path, {"L": "val"})
    assert (df["loss_se"] == 0.01).all()
    assert conventions(df)["L_kind"] == "unstated"


def test_the_gap_of_held_out_over_training_loss_can_be_the_L(tmp_path: Path) -> None:
    df = pd.DataFrame({"N": [1.0, 2.0], "D": [3.0, 4.0], "loss": [1.5, 1.2], "L_kind": "nats"})
    write_table(df.assign(train_loss=[1.0, 1.3], loss_se=0.1), tmp_path / "t.csv")
    read = read_table(tmp_path / "t.csv", {"L": "gap"})
    assert read["loss"].tolist() == pytest.approx([0.5, -0.1])
    assert set(read["L_kind"]) == {"gap"}
    assert "loss_se" not in read
    write_table(df, tmp_path / "bare.csv")
    with pytest.raises(InputError, match="no column gap"):
        read_table(tmp_path / "bare.csv", {"L": "gap"})
