"""A sweep in processes of its own: what it stores and leaves alone (test_faults.py kills it)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from batteries.executors import workers_of

from scaling.grid import CHUNK_STEPS, Cell, Grid
from scaling.sweep.planning.plan import costs
from scaling.sweep.storing.store import Store

DRIVER = """
import sys
from pathlib import Path
from scaling.data import load
from scaling.grid import load_grid, plan
from scaling.sweep.executors.local import Local
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store

if __name__ == "__main__":
    grid = load_grid(sys.argv[1])
    cells = plan(grid, load(grid.data.source, held_out=grid.data.held_out))
    store = Store(sys.argv[2])
    store.open(grid, Path(sys.argv[1]).read_text(), {})
    on_event = lambda e: print(e.steps, e.record["run"] if e.record else "", flush=True)
    print("ready", flush=True)
    with Local(2, 300.0) as executor:
        train(cells, grid.data, store, executor, timings={}, on_event=on_event)
    store.write_table(cells)
"""


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, grid_text: str, cache: Path
) -> Callable[[Path], subprocess.Popen[str]]:
    """Start the sweep in a process group of its own."""
    home = tmp_path_factory.mktemp("driver")
    (home / "driver.py").write_text(DRIVER)
    (home / "grid.toml").write_text(grid_text)
    command = [sys.executable, "-W", "error", str(home / "driver.py"), str(home / "grid.toml")]

    def run(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, str(folder)],
            env={**os.environ, "SCALING_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run


def finish(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.splitlines()


@pytest.fixture(scope="module")
def undisturbed(
    start: Callable[[Path], subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("out") / "undisturbed"
    finish(start(folder))
    return folder


def stored(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("cells/*/record.json")}


def same_tables(one: Path, other: Path) -> None:
    for name in ("table.parquet", "table.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_every_cell_is_a_finished_row(undisturbed: Path, cells: list[Cell]) -> None:
    table = pd.read_parquet(undisturbed / "table.parquet")
    assert table["run"].tolist() == [c.id for c in cells]
    assert set(table["status"]) == {"finished"}
    assert table["D"].tolist() == [c.D for c in cells]
    assert not (undisturbed / "trunks").exists()
    for cell in cells:
        curve = pd.read_parquet(undisturbed / "cells" / cell.id / "curve.parquet")
        assert curve["step"].tolist() == list(range(CHUNK_STEPS, cell.steps + 1, CHUNK_STEPS))
        assert curve["tokens"].iloc[-1] == cell.D


def test_planned_costs_are_those_really_spent(undisturbed: Path, cells: list[Cell]) -> None:
    records = Store(undisturbed).finished(cells)
    known = costs(cells, {})
    for run, record in records.items():
        assert record["flops_spent"] == known[run].flops
        assert record["predicted_memory_bytes"] == known[run].memory_bytes
        assert record["seconds"] > 0
        assert record["started_at"] <= record["trained_at"]


def test_workers_die_with_their_driver(
    start: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(tmp_path / "alone")
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_nothing_is_trained_twice(
    start: Callable[[Path], subprocess.Popen[str]], undisturbed: Path, cells: list[Cell]
) -> None:
    before = stored(undisturbed)
    assert finish(start(undisturbed)) == ["ready"]
    assert stored(undisturbed) == before


def test_a_damaged_cell_is_trained_again_to_the_same_bits(
    start: Callable[[Path], subprocess.Popen[str]], undisturbed: Path, cells: list[Cell], grid: Grid
) -> None:
    table = (undisturbed / "table.csv").read_bytes()
    path = undisturbed / "cells" / cells[0].id / "record.json"
    path.write_text(path.read_text()[:100])
    curve = undisturbed / "cells" / cells[1].id / "curve.parquet"
    curve.write_bytes(curve.read_bytes()[:-1])
    process = start(undisturbed)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert f"{cells[0].id}: record.json: not valid JSON" in err
    assert f"{cells[1].id}: curve.parquet: damaged" in err
    assert (undisturbed / "table.csv").read_bytes() == table
    assert [aside.id for aside in Store(undisturbed).quarantined()] == sorted(
        [cells[0].id, cells[1].id]
    )
