"""Disks that fill, folders that can't be written, writers that die or race: nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batteries.records import CURVE, record_of, take_up

from scaling import files
from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep.planning.plan import costs
from scaling.sweep.storing import index, records
from scaling.sweep.storing.gc import collect, garbage
from scaling.sweep.storing.store import Store

# Of records that are made up here: saved by another process, as fast as it can.
WRITER = """
import json, sys
from pathlib import Path
import pandas as pd
from scaling import files
from scaling.sweep.storing import records
from scaling.sweep.storing.store import Store

store, made = Store(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
curve = pd.DataFrame({"step": list(range(512))})
drawn = curve.to_parquet(index=False)
while True:
    for record in made:
        folder = store.cell_folder(record["run"])
        if store.record(record["run"]) is None:
            beside = {"cell.json": b"{}", "curve.parquet": drawn}
            for name, data in beside.items():
                files.write(folder / name, data)
            files.create(folder / "record.json", records.sealed(record, beside))
            print(record["run"], flush=True)
    store.look()
    print("all", flush=True)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, grid: Grid, cells: list[Cell]
) -> None:
    store, whole = Store(small_disk / "study"), Store(tmp_path / "whole")
    facts = {"grid_sha256": "1", "cells": [cell.id for cell in cells]}
    take_up(store, grid, facts=facts, known=costs(cells, {}))
    curve = pd.concat([CURVE.assign(loss=i / 3) for i in range(4000)])
    saved: list[Cell] = []

    def save_all() -> None:
        for cell in cells:
            store.save(cell, record_of(cell), curve)
            saved.append(cell)

    with pytest.raises(InputError, match=r"cannot write: No space left on device; nothing was"):
        save_all()
    assert 0 < len(saved) < len(cells)
    assert list(store.done(cells)) == [cell.id for cell in saved]
    assert store.quarantined() == []
    assert not list(small_disk.rglob("*.tmp"))
    remount(small_disk, "size=4m")
    for cell in cells:
        store.save(cell, record_of(cell), curve)
        whole.save(cell, record_of(cell), curve)
    store.write_table(cells)
    whole.write_table(cells)
    for name in ("table.parquet", "table.csv"):
        assert files.read(store.folder / name) == files.read(whole.folder / name)


def test_a_folder_that_is_read_only_can_be_looked_at(
    small_disk: Path, grid: Grid, cells: list[Cell]
) -> None:
    store = Store(small_disk / "study")
    take_up(store, grid, facts={"cells": [cell.id for cell in cells]}, known=costs(cells, {}))
    for cell in cells[:3]:
        store.save(cell, record_of(cell), CURVE)
    remount(small_disk, "ro")
    for write in (
        lambda: store.save(cells[3], record_of(cells[3]), CURVE),
        lambda: store.write_table(cells),
        lambda: take_up(Store(small_disk / "new"), grid),
        lambda: take_up(store, grid, facts={"cells": ["other"]}),
    ):
        with pytest.raises(InputError, match="cannot write: Read-only file system"):
            write()
    assert len(store.finished(cells)) == 3
    told = subprocess.run(
        [sys.executable, "-m", "scaling.cli", "status", str(store.folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"{len(cells)} cells: 3 finished")
    remount(small_disk, "rw")
    assert store.save(cells[3], record_of(cells[3]), CURVE)


def _save_all(folder: Path, cells: list[Cell], mine: float) -> list[bool]:
    """Whether each was this process's to store; its loss says whose it is."""
    store = Store(folder)
    saved = [store.save(cell, record_of(cell, loss=mine), CURVE) for cell in cells]
    store.write_table(cells)
    return saved


def test_of_two_writers_one_is_first_and_stays(tmp_path: Path, cells: list[Cell]) -> None:
    every = (cell.at(cell.steps + 16 * n) for cell in cells for n in range(12))
    many = list({cell.id: cell for cell in every}.values())
    with get_context("spawn").Pool(2) as pool:
        one, other = pool.starmap(_save_all, [(tmp_path, many, 1.0), (tmp_path, many, 2.0)])
    assert all(first != second for first, second in zip(one, other, strict=True))
    store = Store(tmp_path)
    found = store.finished(many)
    assert [found[cell.id]["loss"] for cell in many] == [1.0 if first else 2.0 for first in one]
    assert store.quarantined() == []
    assert store.write_table(many)["run"].tolist() == [cell.id for cell in many]
    assert index.look(tmp_path).read == 0
    assert not list(tmp_path.rglob("*.tmp"))


class Overtaken(Store):
    """A store in which a rival saves the cell just after we looked for its record."""

    def overtaken_by(self, cell: Cell, curve: pd.DataFrame) -> None:
        self.rival: tuple[Cell, pd.DataFrame] | None = (cell, curve)

    def record(self, cell_id: str) -> dict[str, Any] | None:
        there = super().record(cell_id)
        if self.rival is not None:
            (cell, curve), self.rival = self.rival, None
            assert Store(self.folder).save(cell, record_of(cell, loss=2.0), curve)
        return there


@pytest.mark.parametrize("failed", [False, True])
def test_who_is_overtaken_while_saving_leaves_what_is_there(
    tmp_path: Path, cells: list[Cell], failed: bool
) -> None:
    store, cell = Overtaken(tmp_path), cells[0]
    if failed:
        assert Store(tmp_path).save(cell, record_of(cell, status="failed", reason="hung"), CURVE)
    store.overtaken_by(cell, CURVE)
    assert not store.save(cell, record_of(cell, loss=1.0), CURVE)
    assert store.finished([cell])[cell.id]["loss"] == 2.0
    assert store.quarantined() == []


def test_who_spoils_the_curve_of_the_other_stores_the_own_whole(
    tmp_path: Path, cells: list[Cell]
) -> None:
    store, cell = Overtaken(tmp_path), cells[0]
    store.overtaken_by(cell, CURVE.assign(step=CURVE["step"] + 1))
    assert store.save(cell, record_of(cell, loss=1.0), CURVE)
    assert store.finished([cell])[cell.id]["loss"] == 1.0
    assert len(store.quarantined()) == 1


def killed_again_and_again(tmp_path: Path, cell: Cell, kills: int) -> None:
    rng = random.Random(time.time_ns())
    made = [{**record_of(cell), "run": f"{n:016x}"} for n in range(400)]
    (tmp_path / "made.json").write_text(json.dumps(made))
    folder, before = tmp_path / "study", dict[str, bytes]()
    (folder / "cells").mkdir(parents=True)
    (folder / "study.json").write_text('{"name": "killed"}')
    command = [sys.executable, "-c", WRITER, str(folder), str(tmp_path / "made.json")]
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 60)):
            if process.stdout.readline() == "all\n":
                break
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = {p.parent.name: p.read_bytes() for p in folder.glob("cells/*/record.json")}
        assert before.items() <= now.items()
        before = now
        for run in now:
            assert records.opened(folder / "cells" / run) is not None
    rows = index.look(folder)
    assert rows.damaged == {}
    assert set(rows.rows["run"].to_pylist()) == before.keys()
    collect(folder, garbage(folder))
    assert not list(folder.rglob("*.tmp"))
    assert not (folder / "quarantine").exists()


def test_killed_at_any_moment_what_is_stored_is_whole(tmp_path: Path, cells: list[Cell]) -> None:
    killed_again_and_again(tmp_path, cells[0], kills=3)


@pytest.mark.slow
def test_killed_many_times_what_is_stored_is_whole(tmp_path: Path, cells: list[Cell]) -> None:
    killed_again_and_again(tmp_path, cells[0], kills=60)


def test_a_damaged_checkpoint_lies_in_quarantine_under_its_trunk(
    tmp_path: Path, cells: list[Cell]
) -> None:
    store = Store(tmp_path)
    path = store.checkpoint(cells[0].trunk)
    branch = path.with_name(f"{cells[0].trunk}.branch.npz")
    for one in (path, branch):
        files.write(one, b"garbage")
        store.damaged_checkpoint(one, "torn or garbage")
    assert files.names(tmp_path / "trunks") == []
    aside = store.quarantined()
    assert [one.id for one in aside] == [cells[0].trunk] * 2
    assert [files.read(tmp_path / one.now) for one in aside] == [b"garbage"] * 2


def many(folder: Path, cell: Cell, count: int) -> list[str]:
    drawn = CURVE.to_parquet(index=False)
    for n in range(count):
        made = {**record_of(cell), "run": f"{n:016x}", "loss": 1 + 1 / (n + 1)}
        place = folder / "cells" / made["run"]
        place.mkdir(parents=True)
        (place / "curve.parquet").write_bytes(drawn)
        sealed = records.sealed(made, {"curve.parquet": drawn})
        (place / "record.json").write_bytes(sealed)
    return [f"{n:016x}" for n in range(count)]


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_by_the_index_no_record_is_read_twice(
    tmp_path: Path, cells: list[Cell], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, store = many(tmp_path, cells[0], count), Store(tmp_path)
    asked: list[Any] = [type("Asked", (), {"id": run})() for run in runs]
    read: list[str] = []
    opened = index.opened

    def counted(folder: Path) -> Any:
        read.append(folder.name)
        return opened(folder)

    monkeypatch.setattr(index, "opened", counted)
    assert len(store.done(asked)) == len(read) == count
    read.clear()
    began = time.process_time()
    assert len(Store(tmp_path).table(asked)) == count
    by_index = time.process_time() - began
    assert read == []
    began = time.process_time()
    paths = [tmp_path / "cells" / run / "record.json" for run in runs]
    pd.DataFrame([json.loads(path.read_text()) for path in paths])
    assert by_index < time.process_time() - began
    os.truncate(tmp_path / "cells" / runs[7] / "curve.parquet", 10)
    store.cell_folder(runs[8]).joinpath("record.json").unlink()
    table = store.table(asked)
    assert set(runs) - set(table["run"]) == {runs[7], runs[8]}
    assert set(read) == {runs[7]}
