"""Cells whose process dies at every attempt: they fail by name, and the rest goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
from batteries.executors import workers_of
from typer.testing import CliRunner

from scaling.cli import app
from scaling.grid import Cell
from scaling.sweep.crew import Lost
from scaling.sweep.planning.plan import costs
from scaling.sweep.storing.lost import give_up
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
    said = lambda e: print(e.step, e.record["status"] if e.record else "", flush=True)
    store.open(grid, Path(sys.argv[1]).read_text(), {"cells": [c.id for c in cells]})
    with Local(2, 300.0) as executor:
        train(cells, grid.data, store, executor, timings={}, on_event=said)
        store.write_table(cells)
"""


def test_a_record_says_what_became_of_a_cell(cells: list[Cell], tmp_path: Path) -> None:
    store, known = Store(tmp_path), costs(cells, {})
    group = [cell for cell in cells if cell.trunk == cells[0].trunk]
    gone = Lost("hung", "no sign of progress for 9 s", 3)
    records = give_up(store, group, gone, 48, known)
    assert [record["run"] for record in records] == [cell.id for cell in group]
    stored = store.record(group[0].id)
    assert stored is not None
    assert stored["status"] == "failed"
    assert stored["reason"] == "hung: no sign of progress for 9 s, 3 times; last seen at step 48"
    assert stored["findings"][0] | {"told": ""} == {
        "label": "hung", "step": 48, "block": "", "told": "",
    }  # fmt: skip
    assert give_up(store, group, gone, 48, known) == []  # what has a record keeps it
    assert store.finished(group)
    assert not store.done(group)
    table = store.write_table(group)
    assert table["status"].tolist() == ["failed"] * len(group)
    error = Lost("error", "by design", 1)
    (record,) = give_up(Store(tmp_path / "b"), group[:1], error, 0, known)
    assert record["findings"] == []
    assert record["reason"] == "by design, once; last seen at step 0"


def test_a_killed_trunk_fails_alone_and_is_trained_when_asked_again(
    tmp_path: Path, grid_text: str, cache: Path, cells: list[Cell]
) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "grid.toml").write_text(grid_text + "\n[recovery]\nretries = 0\n")
    folder = tmp_path / "study"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(tmp_path / "driver.py"),
             str(tmp_path / "grid.toml"), str(folder)],
            env={**os.environ, "SCALING_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    process = start()
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    assert "failed" in told
    table = pd.read_parquet(folder / "table.parquet")
    failed = table[table["status"] == "failed"]
    assert failed["trunk"].nunique() == 1
    assert set(table["status"]) == {"failed", "finished"}
    assert failed["reason"].str.contains("killed by signal 9").all()
    status = CliRunner().invoke(app, ["status", str(folder), "--json"])
    health = json.loads(status.stdout)
    assert health["cells"]["failed"] == len(failed)
    assert health["cells"]["finished"] == len(cells) - len(failed)
    assert {cell["findings"][0]["label"] for cell in health["ill"]} == {"killed"}
    shown = CliRunner().invoke(app, ["status", str(folder)]).stdout
    assert f"{len(cells)} cells: {len(cells) - len(failed)} finished, {len(failed)} failed" in shown
    assert "killed at step" in shown
    process = start()
    process.communicate(timeout=300)
    assert set(pd.read_parquet(folder / "table.parquet")["status"]) == {"finished"}


def test_status_needs_a_study(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert "no study here" in str(result.exception)
