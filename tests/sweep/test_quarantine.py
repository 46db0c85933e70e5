"""What was damaged is found by its checksum, set aside with the reason, and made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from batteries.records import CURVE, record_of, take_up

from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep.standing.status import status_of
from scaling.sweep.storing import records
from scaling.sweep.storing.store import Store


@pytest.fixture
def store(tmp_path: Path, grid: Grid, grid_text: str) -> Store:
    store = Store(tmp_path / "study")
    take_up(store, grid, grid_text, {"note": 1})
    return store


HARMS = {
    "changed": lambda raw: raw.replace(b'"loss": 1', b'"loss": 2'),
    "truncated": lambda raw: raw[: len(raw) // 2],
    "empty": lambda raw: b"",
    "a list": lambda raw: b"[1, 2]",
    "an empty object": lambda raw: b"{}",
    "garbage": lambda raw: b"\xff\xfe",
    "deep": lambda raw: b"[" * 100_000,
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_record_is_put_in_quarantine_and_its_cell_made_again(
    store: Store, cells: list[Cell], harm: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for cell in cells[:2]:
        store.save(cell, record_of(cell), CURVE)
    path = store.folder / "cells" / cells[0].id / "record.json"
    harmed = harm(path.read_bytes())
    assert harmed != path.read_bytes()
    path.write_bytes(harmed)
    with pytest.raises(records.DamagedError, match=rf"{cells[0].id}/record\.json: "):
        store.read(cells[0].id)
    assert path.read_bytes() == harmed
    assert store.record(cells[0].id) is None
    assert not path.parent.exists()
    (aside,) = store.quarantined()
    assert (aside.id, aside.path) == (cells[0].id, f"cells/{cells[0].id}")
    kept = store.folder / aside.now
    assert (kept / "record.json").read_bytes() == harmed
    assert sorted(p.name for p in kept.iterdir()) == [
        "cell.json", "curve.parquet", "record.json", "why.json",
    ]  # fmt: skip
    assert f"{cells[0].id}: {aside.why}; moved to {aside.now}" in caplog.text
    assert list(store.done(cells)) == [cells[1].id]
    assert store.save(cells[0], record_of(cells[0]), CURVE)
    assert len(store.write_table(cells)) == 2


@pytest.mark.parametrize("name", ["curve.parquet", "cell.json"])
@pytest.mark.parametrize("harm", ["truncated", "gone", "garbage"])
def test_a_damaged_file_beside_a_record_is_found_by_its_checksum(
    store: Store, cells: list[Cell], name: str, harm: str
) -> None:
    for cell in cells:
        store.save(cell, record_of(cell), CURVE)
    store.write_table(cells)
    path = store.folder / "cells" / cells[0].id / name
    raw = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(raw[:-5] if harm == "truncated" else raw[:-5] + b"12345")
    assert cells[0].id not in store.look().of([cell.id for cell in cells])["run"].to_pylist()
    (aside,) = store.quarantined()
    assert aside.why.startswith(f"{name}: ")
    assert aside.id == cells[0].id
    assert (store.folder / aside.now / "record.json").exists()


def test_quarantine_keeps_all_that_ever_came(store: Store, cells: list[Cell]) -> None:
    for turn in range(3):
        store.save(cells[0], record_of(cells[0], loss=float(turn)), CURVE)
        path = store.folder / "cells" / cells[0].id / "record.json"
        path.write_bytes(path.read_bytes()[: -turn - 5])
        assert store.finished(cells) == {}
    names = sorted(p.name for p in (store.folder / "quarantine").iterdir())
    assert names == [f"{cells[0].id}-{n}" for n in (1, 2, 3)]
    assert len({aside.now for aside in store.quarantined()}) == 3
    (store.folder / "quarantine" / names[0] / "why.json").write_text("{")
    assert [aside.id for aside in store.quarantined()] == [cells[0].id] * 3


def test_a_record_in_a_foreign_cells_place_is_no_record(store: Store, cells: list[Cell]) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    (store.folder / "cells" / cells[0].id).rename(store.folder / "cells" / cells[1].id)
    assert store.finished(cells) == {}
    assert "another cell" in store.quarantined()[0].why


def test_records_of_before_checksums_stay_valid(store: Store, cells: list[Cell]) -> None:
    record = record_of(cells[0])
    path = store.folder / "cells" / cells[0].id / "record.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(records.sealed(record, {}))
    assert "files" not in json.loads(path.read_text())
    assert store.record(cells[0].id) == record
    assert len(store.write_table(cells)) == 1


@pytest.mark.parametrize("damage", ["", "[]", '{"name": "ti'])
def test_a_damaged_marker_is_set_aside_and_made_again(
    store: Store, grid: Grid, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    marker = store.folder / "study.json"
    marker.write_text(damage)
    with pytest.raises(InputError, match=r"study\.json: (not valid JSON|a JSON object)"):
        status_of(store.folder)
    take_up(store, grid, facts={"note": 3})
    assert json.loads(marker.read_text()) == {"name": "tiny", "note": 3}
    assert (store.folder / "quarantine" / "study-1" / "study.json").read_text() == damage
    assert "study.json: " in caplog.text


def test_a_lost_marker_is_made_again_and_its_forecast_still_binds(
    store: Store, grid: Grid, cells: list[Cell]
) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    (store.folder / "forecast.json").write_text(json.dumps({"targets": [{"cell": cells[1].id}]}))
    (store.folder / "study.json").unlink()
    with pytest.raises(InputError, match="its forecast was written for another version"):
        take_up(store, grid, facts={"cells": [cells[0].id]})
    take_up(store, grid, facts={"cells": [cell.id for cell in cells]})
    assert list(store.done(cells)) == [cells[0].id]
    with pytest.raises(InputError, match="its forecast was written for another version"):
        take_up(store, grid, facts={"cells": [cells[1].id]})


def test_a_torn_table_is_written_again(store: Store, cells: list[Cell]) -> None:
    for cell in cells:
        store.save(cell, record_of(cell), CURVE)
    store.write_table(cells)
    before = {name: (store.folder / name).read_bytes() for name in ("table.csv", "table.parquet")}
    for name, data in before.items():
        (store.folder / name).write_bytes(data[:99])
        store.write_table(cells)
        assert (store.folder / name).read_bytes() == data
