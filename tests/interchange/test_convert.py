"""Tables in other formats: there and back is the identity, in parts as at once."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from scaling import formats
from scaling.cli import app
from scaling.errors import InputError
from scaling.interchange.check import check
from scaling.interchange.stream import Parts, copy, must_be_new
from scaling.table import read_table, write_table
from scaling.where import matches

# CSV tells an empty text from a missing one as little as pandas tells NA, null or nan from it.
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).map(
    lambda text: "x" + text
)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
ROWS = st.fixed_dictionaries(
    {
        "run": WORDS | st.integers(0, 99999).map(lambda n: f"{n:05d}"),
        "N": POSITIVE,
        "D": st.integers(1, 10**15).map(float),
        "loss": POSITIVE | st.just(math.nan),
        "seed": st.integers(0, 2**31) | st.none(),
        "recipe": st.none() | st.just('{"a":1,"b":"x, y"}'),
        "mine": st.floats(allow_nan=False, allow_infinity=False),
        "word": WORDS,
        "yes": st.booleans(),
    }
)


def cells(df: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(x) else x for x in row) for row in df.itertuples(index=False)]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=6),
    one=st.sampled_from(formats.SUFFIXES),
    two=st.sampled_from(formats.SUFFIXES),
    group=st.integers(1, 4),
)
def test_there_and_back_is_the_identity(
    tmp_path: Path, rows: list[dict[str, object]], one: str, two: str, group: int
) -> None:
    df = pd.DataFrame(rows)
    first, back = tmp_path / f"first{one}", tmp_path / f"back{one}"
    there, whole = tmp_path / f"there{two}", tmp_path / f"whole{two}"
    write_table(df, first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "ROWS", group)  # written in parts of so many rows
        write_table(df, whole)
        copy(Parts(first), there)
    assert there.read_bytes() == whole.read_bytes()
    assert cells(read_table(there)) == cells(df)
    copy(Parts(there), back)
    assert back.read_bytes() == first.read_bytes()


FOREIGN = """run,N,D,C,loss,seed,wide,late,some,flag
007,1000,20,100000000000000000000,3.5,0,1,,1,True
1e5,2000,20,6,inf,,2,,,
x,3000,20,6,3.25,2,3,word,3,False
,4000,20,6,,1,1.50,2,4,True
"""


@pytest.mark.parametrize("group", [1, 2, 3, 100])
@pytest.mark.parametrize("suffix", [".parquet", ".tsv"])
def test_parts_have_the_types_of_the_whole(
    tmp_path: Path, group: int, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(FOREIGN)
    monkeypatch.setattr(formats, "ROWS", group)
    write_table(read_table(path), tmp_path / f"whole{suffix}")
    copied = copy(Parts(path), tmp_path / f"parts{suffix}")
    assert (copied.read, copied.written, copied.columns) == (4, 4, 10)
    parts, whole = (tmp_path / f"{name}{suffix}" for name in ("parts", "whole"))
    assert parts.read_bytes() == whole.read_bytes()
    df = read_table(parts)
    assert df["run"].tolist()[:3] == ["007", "1e5", "x"]  # an id is text, whatever it looks like
    assert df["C"][0] == 1e20
    assert df["late"].tolist()[2:] == ["word", "2"]


def test_lines_may_gain_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(
        '{"N": 1, "config": {"b": [1], "a": 2}}\n\n{"N": 2.5, "step": 3}\n{"step": 4, "on": null}\n'
    )
    monkeypatch.setattr(formats, "ROWS", 2)
    copy(Parts(path), tmp_path / "t.parquet")
    df = read_table(tmp_path / "t.parquet")
    assert list(df.columns) == ["N", "config", "step", "on"]
    assert df["config"][0] == '{"a":2,"b":[1]}'
    write_table(read_table(path), tmp_path / "whole.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"N": 1}\n{"N": \n', r"runs\.jsonl: line 2 is not JSON"),
        ('{"N": 1}\n\n[1]\n', r"runs\.jsonl: line 3 is no object"),
        ('{"x": 1}\n{"x": "a"}\n', r"runs\.jsonl: column x holds values of several kinds"),
        ("\n", r"runs\.jsonl: the table has no rows"),
    ],
)
def test_lines_that_are_no_rows(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        copy(Parts(path), tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_parquet_of_others(tmp_path: Path) -> None:
    """A pandas index, times and nested values: none is lost, none ends in a traceback."""
    given, rows = tmp_path / "given.parquet", tmp_path / "rows.jsonl"
    when = pd.Timestamp("2024-01-02")
    df = pd.DataFrame({"run": ["a", "b"], "N": [1e6, -1.0], "D": 1e8, "loss": 3.0, "when": when})
    df.assign(tags=[["x", "y"], None]).set_index("run").to_parquet(given)
    copy(Parts(given), rows)
    back = read_table(rows)
    assert back["run"].tolist() == ["a", "b"]
    assert back["when"].tolist() == ["2024-01-02 00:00:00"] * 2
    assert back["tags"].tolist()[0] == '["x","y"]'
    assert read_table(given)["tags"].tolist() == back["tags"].tolist()
    df[df["N"] < 0].to_parquet(given)  # its rows are counted anew
    assert [p.rows for p in check(given).problems if p.column == "N"] == [(1,)]


def test_infinite_has_no_number_in_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 2: loss is infinite"):
        write_table(pd.DataFrame({"loss": [1.0, math.inf]}), tmp_path / "t.jsonl")


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "N": [1e6, 2e6, 4e6],
            "D": [1e8, 1e8, 1e8],
            "loss": [3.0, 2.5, None],
            "seed": [0, 1, None],
            "reason": [None, None, None],
            "L_kind": "nats_per_token",
        }
    )


def test_filters_keep_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(frame(), tmp_path / "t.csv")
    for group in (1, 2, 100):
        monkeypatch.setattr(formats, "ROWS", group)
        copied = copy(Parts(tmp_path / "t.csv", where="seed >= 1"), tmp_path / "kept.parquet")
        assert (copied.read, copied.written) == (3, 1)
        assert read_table(tmp_path / "kept.parquet")["run"].tolist() == ["b"]
    df = read_table(tmp_path / "t.csv")
    assert df["run"][matches(df, "seed >= 1")].tolist() == ["b"]
    with pytest.raises(InputError, match=r"none of its 3 rows satisfies N > 1e9"):
        copy(Parts(tmp_path / "t.csv", where="N > 1e9"), tmp_path / "none.csv")
    with pytest.raises(InputError, match="no column size"):
        copy(Parts(tmp_path / "t.csv", where="size > 1e9"), tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_columns_take_our_names(tmp_path: Path) -> None:
    write_table(frame().rename(columns={"N": "params", "loss": "val"}), tmp_path / "t.csv")
    names = {"N": "params", "L": "val"}
    copy(Parts(tmp_path / "t.csv", names, "N > 1e6"), tmp_path / "ours.parquet")
    assert read_table(tmp_path / "ours.parquet")["loss"].tolist()[0] == 2.5


def test_nothing_is_written_over_unless_forced(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    write_table(frame(), one)
    two.write_text("mine")
    for to, message in [
        (one, "is the input itself"),
        (two, "is there"),
        (tmp_path / "t.xlsx", r"ends in one of"),
        (tmp_path / "no" / "t.csv", "no such folder"),
    ]:
        with pytest.raises(InputError, match=message):
            must_be_new(to, (one,), force=False)
    done = CliRunner().invoke(app, ["table", "convert", str(one), "-o", str(two)])
    assert isinstance(done.exception, InputError)
    assert two.read_text() == "mine"
    done = CliRunner().invoke(app, ["table", "convert", str(one), "-o", str(two), "--force"])
    assert done.output == f"{two}: 3 rows, 7 columns\n"
    assert two.read_bytes() == one.read_bytes()


DUCKDB = {
    "run": "VARCHAR", "N": "DOUBLE", "D": "DOUBLE", "loss": "DOUBLE", "seed": "BIGINT",
    "reason": "VARCHAR", "L_kind": "VARCHAR",
}  # fmt: skip


def test_duckdb_reads_parquet_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    write_table(frame(), path)
    found = duckdb.sql(f"SELECT * FROM '{path}'")
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == DUCKDB
    best = duckdb.sql(f"SELECT run, loss FROM '{path}' WHERE loss IS NOT NULL ORDER BY loss")
    assert best.fetchall() == [("b", 2.5), ("a", 3.0)]
    told = duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{path}')").fetchall()
    assert (b"scaling.schema", b"1") in told


def test_polars_reads_parquet_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    write_table(frame(), path)
    found = polars.scan_parquet(path)
    types = {"VARCHAR": polars.String, "DOUBLE": polars.Float64, "BIGINT": polars.Int64}
    assert found.collect_schema() == {name: types[kind] for name, kind in DUCKDB.items()}
    small = found.filter(polars.col("seed").is_not_null()).select(polars.col("loss").min())
    assert small.collect().item() == 2.5
