"""A study's folder: what is written is whole, what is damaged or foreign is refused by name."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep.store import BATCHES, COST, HEALTH, METRICS, OPTIONAL, TABLE_COLUMNS, Store
from scaling.table import read_table, select_rows

CURVE = pd.DataFrame({"step": [16], "tokens": [2048], "loss": [2.0]})


def record_of(cell: Cell, **changes: Any) -> dict[str, Any]:
    measured = {
        "loss": 1.0 + 1.0 / cell.D, "loss_se": 0.01, "train_loss": 1.0, "status": "finished",
        "reason": "", "seconds": 1.5, "trained_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return {**cell.facts(), **measured, **changes}


def take_up(store: Store, grid: Grid, text: str = "text", facts: Any = None) -> None:
    with store.open(grid, text, facts or {}):
        pass


@pytest.fixture
def store(tmp_path: Path, grid: Grid, grid_text: str) -> Store:
    store = Store(tmp_path / "study")
    take_up(store, grid, grid_text, {"note": 1})
    return store


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", refuse)


def test_a_record_comes_back_as_it_was(store: Store, cells: list[Cell]) -> None:
    record = record_of(cells[0])
    assert store.record(cells[0].id) is None
    store.save(cells[0], record, CURVE)
    assert store.record(cells[0].id) == record
    assert store.finished(cells) == {cells[0].id: record}
    folder = store.folder / "cells" / cells[0].id
    assert sorted(p.name for p in folder.iterdir()) == ["cell.json", "curve.parquet", "record.json"]
    assert pd.read_parquet(folder / "curve.parquet").equals(CURVE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_record_comes_back_too(store: Store, cells: list[Cell], value: float) -> None:
    record = record_of(cells[0], loss=value, status="diverged", reason="loss nan at step 7")
    store.save(cells[0], record, CURVE)
    assert store.record(cells[0].id) is not None
    table = store.write_table(cells)
    assert table.loc[0, "reason"] == "loss nan at step 7"
    with pytest.raises(InputError, match="status is diverged"):
        select_rows(table)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda raw: raw.replace(b'"loss": 1', b'"loss": 2'), "damaged, or the record of another"),
        (lambda raw: raw[: len(raw) // 2], "not valid JSON"),
        (lambda raw: b"", "not valid JSON"),
        (lambda raw: b"[1, 2]", "a JSON object was expected"),
        (lambda raw: b"{}", "damaged, or the record of another"),
        (lambda raw: b"\xff\xfe", "not valid JSON"),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(
    store: Store, cells: list[Cell], harm: Any, message: str
) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    path = store.folder / "cells" / cells[0].id / "record.json"
    harmed = harm(path.read_bytes())
    assert harmed != path.read_bytes()
    path.write_bytes(harmed)
    for read in (lambda: store.record(cells[0].id), lambda: store.write_table(cells)):
        with pytest.raises(InputError, match=rf"{cells[0].id}/record\.json: {message}"):
            read()
    assert path.read_bytes() == harmed
    assert not (store.folder / "table.csv").exists()


def test_a_record_in_a_foreign_cells_place_is_refused(store: Store, cells: list[Cell]) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    (store.folder / "cells" / cells[0].id).rename(store.folder / "cells" / cells[1].id)
    with pytest.raises(InputError, match=rf"{cells[1].id}/record\.json: .*another cell"):
        store.finished(cells)


def test_a_torn_write_means_unfinished(
    store: Store, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed between the curve and the record: what is there does not count.
    def killed(path: Path, value: Any) -> None:
        if path.name == "record.json":
            raise KeyboardInterrupt
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    with monkeypatch.context() as patch:
        patch.setattr("scaling.sweep.store.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(cells[0], record_of(cells[0]), CURVE)
    (store.folder / "cells" / cells[0].id / "record.json.77.tmp").write_text('{"half')
    assert store.finished(cells) == {}
    store.save(cells[0], record_of(cells[0]), CURVE)
    assert list(store.finished(cells)) == [cells[0].id]
    store.write_table(cells)
    assert not list(store.folder.rglob("*.tmp"))


def test_a_full_disk_is_one_error_and_nothing_is_lost(
    store: Store, cells: list[Cell], grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    store.write_table(cells)
    before = {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()}
    with monkeypatch.context() as patch:
        full_disk(patch)
        for write in (
            lambda: store.save(cells[0], record_of(cells[0], loss=9.0), CURVE),
            lambda: store.save(cells[1], record_of(cells[1]), CURVE),
            lambda: store.write_table(cells),
            lambda: take_up(Store(tmp_path / "new"), grid),
        ):
            with pytest.raises(InputError, match=r"cannot write: No space left on device"):
                write()
    assert {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()} == before
    store.save(cells[1], record_of(cells[1]), CURVE)
    assert len(store.write_table(cells)) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, grid: Grid) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/study: cannot write"):
        take_up(Store(tmp_path / "file" / "study"), grid)
    with pytest.raises(InputError, match=r"file: cannot write"):
        take_up(Store(tmp_path / "file"), grid)
    assert (tmp_path / "file").read_text() == "in the way"


def test_another_studys_folder_is_refused_and_left_alone(store: Store, grid: Grid) -> None:
    before = {p: p.read_bytes() for p in store.folder.iterdir()}
    other = grid.model_copy(update={"name": "other"})
    with pytest.raises(InputError, match=r"holds the study 'tiny', not 'other'; choose another"):
        take_up(store, other)
    take_up(store, grid, "other text", {"note": 2})
    assert {p: p.read_bytes() for p in store.folder.iterdir()} == before


def test_a_grid_may_grow_until_a_forecast_is_written(
    store: Store, grid: Grid, grid_text: str
) -> None:
    take_up(store, grid, "grown", {"grid_sha256": "2", "cells": ["a", "b"]})
    assert (store.folder / "grid.toml").read_text() == "grown"
    (store.folder / "forecast.json").write_text("{}")
    before = {p: p.read_bytes() for p in store.folder.iterdir()}
    take_up(store, grid, "grown", {"grid_sha256": "2", "cells": ["a", "b"]})
    for facts in ({"grid_sha256": "3", "cells": ["a", "b"]}, {"grid_sha256": "2", "cells": ["a"]}):
        with pytest.raises(InputError, match="its forecast was written for another version"):
            take_up(store, grid, "again", facts)
    assert {p: p.read_bytes() for p in store.folder.iterdir()} == before


def test_a_second_driver_is_refused(store: Store, grid: Grid, grid_text: str) -> None:
    with (
        store.open(grid, grid_text, {"note": 1}),
        pytest.raises(InputError, match="another process is at work on this study"),
    ):
        take_up(Store(store.folder), grid, grid_text, {"note": 1})
    take_up(store, grid, grid_text, {"note": 1})


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, grid: Grid) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty and not a study"):
        take_up(Store(tmp_path), grid)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("damage", ["", "[]", '{"name": "ti'])
def test_a_damaged_marker_is_named(store: Store, grid: Grid, damage: str) -> None:
    (store.folder / "study.json").write_text(damage)
    with pytest.raises(InputError, match=r"study\.json: (not valid JSON|a JSON object)"):
        take_up(store, grid)


def test_an_empty_folder_and_a_start_that_was_killed_are_taken_up(
    tmp_path: Path, grid: Grid, grid_text: str
) -> None:
    (tmp_path / "grid.toml").write_text(grid_text)
    (tmp_path / "study.json.123.tmp").write_text('{"na')
    take_up(Store(tmp_path), grid, grid_text)
    assert json.loads((tmp_path / "study.json").read_text()) == {"name": "tiny"}


def test_the_table_is_the_plans_order_whatever_was_stored_first(
    store: Store, cells: list[Cell], tmp_path: Path
) -> None:
    other = Store(tmp_path / "other")
    for cell in cells:
        store.save(cell, record_of(cell), CURVE)
    for cell in reversed(cells):
        other.save(cell, record_of(cell, seconds=99.0, trained_at="later"), CURVE)
    table = store.write_table(cells)
    other.write_table(cells)
    for name in ("table.parquet", "table.csv"):
        assert (store.folder / name).read_bytes() == (other.folder / name).read_bytes()
    assert table["run"].tolist() == [c.id for c in cells]
    assert table.columns.tolist() == [
        c for c in TABLE_COLUMNS if c not in (*METRICS, *HEALTH, *BATCHES, *COST)
    ]
    for name in ("table.parquet", "table.csv"):
        found = read_table(store.folder / name)
        assert found["loss"].tolist() == table["loss"].tolist()
        assert len(select_rows(found)[0]) == len(cells)


def test_the_table_of_nothing_has_its_columns(store: Store, cells: list[Cell]) -> None:
    certain = [c for c in TABLE_COLUMNS if c not in OPTIONAL]
    assert store.write_table(cells).columns.tolist() == certain
