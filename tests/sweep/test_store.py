"""A study's folder: what is written is whole, what is damaged or foreign is refused by name."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batteries.records import CURVE, record_of, take_up

from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep.planning.plan import costs
from scaling.sweep.storing.columns import BATCHES, COST, HEALTH, METRICS, OPTIONAL, TABLE_COLUMNS
from scaling.sweep.storing.store import Store
from scaling.table import read_table, select_rows


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


def test_what_is_finished_is_never_written_over(store: Store, cells: list[Cell]) -> None:
    failed = record_of(cells[0], status="failed", reason="hung")
    assert store.save(cells[0], failed, CURVE)
    assert store.done(cells) == {}
    assert store.save(cells[0], record_of(cells[0]), CURVE.assign(loss=3.0))
    folder = store.folder / "cells" / cells[0].id
    before = {p: p.read_bytes() for p in folder.iterdir()}
    assert not store.save(cells[0], failed, CURVE)
    assert not store.save(cells[0], record_of(cells[0], loss=9.0), CURVE)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    assert store.done(cells) == {cells[0].id: "finished"}
    assert store.curve(cells[0].id)["loss"].tolist() == [3.0]


def test_a_torn_write_means_unfinished(
    store: Store, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed between the curve and the record: what is there does not count.
    def killed(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scaling.files.create", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(cells[0], record_of(cells[0]), CURVE)
    assert (store.folder / "cells" / cells[0].id / "curve.parquet").exists()
    assert store.finished(cells) == {}
    assert store.save(cells[0], record_of(cells[0]), CURVE)
    assert list(store.finished(cells)) == [cells[0].id]


def test_a_full_disk_is_one_error_and_nothing_is_lost(
    store: Store, cells: list[Cell], grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    store.write_table(cells)
    before = {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()}
    with monkeypatch.context() as patch:
        full_disk(patch)
        for write in (
            lambda: store.save(cells[1], record_of(cells[1]), CURVE),
            lambda: store.write_table(cells[:0]),
            lambda: take_up(Store(tmp_path / "new"), grid),
        ):
            with pytest.raises(InputError, match=r"cannot write: No space left on device"):
                write()
    assert {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()} == before
    store.save(cells[1], record_of(cells[1]), CURVE)
    assert len(store.write_table(cells)) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, grid: Grid) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/study: cannot read: Not a directory"):
        take_up(Store(tmp_path / "file" / "study"), grid)
    with pytest.raises(InputError, match=r"file: cannot read: Not a directory"):
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


def test_a_changed_grid_says_which_cells_are_new_gone_and_changed(
    tmp_path: Path, grid: Grid, cells: list[Cell], caplog: pytest.LogCaptureFixture
) -> None:
    def facts(planned: list[Cell]) -> dict[str, Any]:
        return {"grid_sha256": str(len(planned)), "cells": [cell.id for cell in planned]}

    store = Store(tmp_path / "study")
    assert not take_up(store, grid, facts=facts(cells[:-1]), known=costs(cells[:-1], {}))
    store.save(cells[1], record_of(cells[1]), CURVE)
    assert not caplog.text
    recipe = cells[0].recipe.model_copy(update={"learning_rate": 0.5})
    other = replace(cells[0], recipe=recipe)
    now = [other, *cells[2:]]
    changes = take_up(store, grid, facts=facts(now), known=costs(now, {}))
    assert changes.new == (cells[-1].id,)
    assert changes.gone == (cells[1].id,)
    assert changes.changed == ((cells[0].id, other.id),)
    assert "cells 1 new (" in str(changes)
    assert f"1 changed ({cells[0].id} is now {other.id}); all records are kept" in caplog.text
    assert store.record(cells[1].id) is not None
    assert not take_up(store, grid, facts=facts(now), known=costs(now, {}))
    (store.folder / "plan.parquet").write_bytes(b"PAR1 torn")
    back = take_up(store, grid, facts=facts(cells), known=costs(cells, {}))
    assert set(back.new) == {cells[0].id, cells[1].id}
    assert back.gone == (other.id,)


def test_two_drivers_may_share_a_folder(store: Store, grid: Grid, grid_text: str) -> None:
    before = {p: p.read_bytes() for p in store.folder.iterdir()}
    take_up(Store(store.folder), grid, grid_text, {"note": 1})
    assert {p: p.read_bytes() for p in store.folder.iterdir()} == before


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, grid: Grid) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty and not a study"):
        take_up(Store(tmp_path), grid)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_and_a_start_that_was_killed_are_taken_up(
    tmp_path: Path, grid: Grid, grid_text: str
) -> None:
    (tmp_path / "grid.toml").write_text(grid_text)
    (tmp_path / "study.json.123.tmp").write_text('{"na')
    (tmp_path / "plan.parquet").write_bytes(b"PAR1")
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


def test_the_index_is_kept_up_while_a_driver_works(
    store: Store, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(cells[0], record_of(cells[0]), CURVE)
    store.look_again()
    assert not (store.folder / "index.parquet").exists()
    monkeypatch.setattr("scaling.sweep.storing.store.LOOK_SECONDS", 0.0)
    store.look_again()
    assert (store.folder / "index.parquet").exists()
