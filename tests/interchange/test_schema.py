"""The schema: one source for the page, the JSON Schema, records' columns and Parquet's metadata."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from scaling import formats, migrations, schema
from scaling.cli import app
from scaling.errors import InputError
from scaling.interchange.schema_page import page
from scaling.sweep.storing.columns import TABLE_COLUMNS
from scaling.table import CONVENTIONS, read_table, write_table
from scaling.units import GAINS, METRICS

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "runs").glob("*/table.parquet"))
ROW = {"N": 1e6, "D": 2e8, "loss": 3.1, "seed": 0, "status": "finished", "L_kind": "mine"}


def valid(row: dict[str, object]) -> bool:
    return jsonschema.Draft202012Validator(schema.json_schema()).is_valid(row)


def test_the_page_is_the_schemas() -> None:
    assert (ROOT / "docs" / "run-table.md").read_text() == page()


def test_every_column_of_a_study_is_declared_in_its_order() -> None:
    assert [name for name in schema.names() if name in TABLE_COLUMNS] == TABLE_COLUMNS
    assert set(CONVENTIONS) <= set(schema.names())
    assert (set(METRICS) | set(GAINS)) - {"gap"} <= set(schema.names())


def test_json_schema_is_one_and_is_what_the_command_prints() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())
    printed = CliRunner().invoke(app, ["table", "schema", "--json"]).output
    assert json.loads(printed) == schema.json_schema()


def test_rows_are_told_apart() -> None:
    assert valid(ROW | {"mine": [1]})
    assert valid(ROW | {"loss": None, "status": "diverged"})
    for bad in ({"N": 0}, {"D": "2e8"}, {"seed": 0.5}, {"top1_error": 1.2}, {"N_kind": "some"}):
        assert not valid(ROW | bad), bad
    assert not valid({"N": 1e6, "D": 1e8})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_tables_are_valid_and_read_as_they_are(path: Path, tmp_path: Path) -> None:
    table = read_table(path)
    pd.testing.assert_frame_equal(table, pd.read_parquet(path), check_exact=True)
    write_table(table, tmp_path / "t.jsonl")
    check = jsonschema.Draft202012Validator(schema.json_schema())
    for line in (tmp_path / "t.jsonl").read_text().splitlines():
        check.validate(json.loads(line))
    if (path.parent / "table.csv").exists():
        assert formats.to_bytes(table, ".csv") == (path.parent / "table.csv").read_bytes()


def test_there_are_shipped_tables() -> None:
    assert len(SHIPPED) > 5


def metadata(path: Path) -> dict[str, dict[bytes, bytes]]:
    return {field.name: field.metadata or {} for field in pq.read_schema(path)}


def test_parquet_says_version_units_and_meanings(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    df = pd.DataFrame([ROW]).assign(mine=1, D_kind="images", L_kind="nats_per_image")
    write_table(df, path)
    assert pq.read_schema(path).metadata[b"scaling.schema"] == str(schema.VERSION).encode()
    told = metadata(path)
    assert told["N"][b"unit"] == b"parameters"
    assert told["D"][b"unit"] == b"images"
    assert told["loss"][b"unit"] == b"nats per image"
    assert told["loss"][b"description"].startswith(b"Held-out loss")
    assert b"unit" not in told["status"]
    assert told["mine"] == {}
    write_table(pd.concat([df, df.assign(D_kind="tokens", L_kind=None)]), path)
    assert metadata(path)["D"][b"unit"] == schema.BY_D.encode()  # two kinds: none for all rows
    assert metadata(path)["loss"][b"unit"] == schema.BY_L.encode()


def test_a_share_as_loss_is_a_pure_number(tmp_path: Path) -> None:
    write_table(pd.DataFrame([ROW]).assign(L_kind="top1_error"), tmp_path / "t.parquet")
    assert metadata(tmp_path / "t.parquet")["loss"][b"unit"] == b"1"


def stating(path: Path, version: str) -> Path:
    table = formats.to_arrow(pd.DataFrame([ROW]))
    pq.write_table(table.replace_schema_metadata({formats.VERSION_KEY: version}), path)
    return path


@pytest.mark.parametrize("version", ["2", "17", "-1", "one", "²"])
def test_an_unknown_version_is_refused_with_both_named(tmp_path: Path, version: str) -> None:
    path = stating(tmp_path / "t.parquet", version)
    with pytest.raises(InputError, match=rf"t\.parquet: .*version {version}; .* versions 0 to 1:"):
        read_table(path)
    done = CliRunner().invoke(app, ["table", "convert", str(path), "-o", str(tmp_path / "t.csv")])
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "t.csv").exists()


def test_older_versions_are_brought_up_by_every_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stating(tmp_path / "t.parquet", "1")

    def millions(df: pd.DataFrame) -> pd.DataFrame:
        return df.assign(N=df["N"] * 1e6)

    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setitem(migrations.RULES, 1, migrations.Rule("N in millions", millions))
    monkeypatch.setitem(migrations.RULES, 2, migrations.Rule("N once more", millions))
    assert read_table(path)["N"].tolist() == [1e18]
    write_table(pd.DataFrame([ROW]), path)
    assert read_table(path)["N"].tolist() == [1e6]  # of this version: as it is
    CliRunner().invoke(app, ["table", "convert", str(path), "-o", str(tmp_path / "t.csv")])
    assert read_table(tmp_path / "t.csv")["N"].tolist() == [1e18]  # a CSV states none: version 0
