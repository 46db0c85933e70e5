"""How fast a store answers at many cells: `python benchmarks/store.py --cells 100000`.

A study of finished cells is made up in the store's own format. Each question is then asked in a
process of its own, and told with its time and that process's peak memory. The baseline is what one
would write without an index: a loop over the JSON files into a DataFrame, nothing checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from scaling.grid import Grid
from scaling.sweep.standing.status import status_of
from scaling.sweep.storing import index, planned
from scaling.sweep.storing.columns import TABLE_COLUMNS
from scaling.sweep.storing.records import CELL, CURVE, RECORD, read_json, sealed, to_json
from scaling.sweep.storing.store import Store

CURVE_ROWS = 64
RECIPE = {"base_width": 32, "batch_tokens": 1024, "learning_rate": 0.012, "transfer": "mup"}


def cell_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def facts(number: int) -> dict[str, object]:
    size, seed = number // 16, number % 16
    N, D = 1000 + 7 * size, 65_536
    return {
        "run": cell_id(number), "trunk": cell_id(-1 - number), "role": "pilot",
        "family": "transformer", "config": json.dumps({"context": 64, "width": 8 + size % 512}),
        "N": N, "N_total": N + 500, "N_active": N, "D": D, "D_unique": D, "C": 8 * N * D,
        "C_6ND": 6 * N * D, "seed": seed, "learning_rate": 0.012, "transfer": "mup",
        "recipe": json.dumps(RECIPE), "N_kind": "non_embedding", "D_kind": "tokens",
        "C_kind": "counted", "L_kind": "nats_per_token",
    }  # fmt: skip


def record(number: int) -> dict[str, object]:
    loss = 1.5 + 20 / (1000 + number) ** 0.5
    return {
        **facts(number), "loss": loss, "loss_se": 0.004, "train_loss": loss - 0.01,
        "status": "finished", "reason": "", "steps": 64, "best_loss": loss, "best_step": 64,
        "skipped_steps": 0, "rewinds": 0, "findings": [], "microbatch": 1, "batch_tokens": 1024,
        "flops_spent": 10**9 + number, "seconds": 1.5, "cpu_seconds": 1.4, "predicted_seconds": 1.4,
        "predicted_memory_bytes": 5_000_000, "predicted_flops": 10**9, "bytes_read": 65_536,
        "measured_memory_bytes": 6_000_000, "started_at": "2026-01-01T00:00:00+00:00",
        "trained_at": "2026-01-01T00:00:02+00:00", "data": "0" * 16, "machine": "made up",
    }  # fmt: skip


def make(folder: Path, cells: int) -> None:
    """A finished study: what workers and a driver leave, without waiting for the disk."""
    steps = range(16, 16 * CURVE_ROWS + 1, 16)
    curve = pd.DataFrame({"step": steps, "loss": [3.0 - 0.01 * i for i in range(CURVE_ROWS)]})
    drawn = curve.to_parquet(index=False)
    for number in range(cells):
        place = folder / "cells" / cell_id(number)
        place.mkdir(parents=True)
        beside = {CELL: to_json(facts(number)), CURVE: drawn}
        for name, data in {**beside, RECORD: sealed(record(number), beside)}.items():
            (place / name).write_bytes(data)
    ids = [cell_id(number) for number in range(cells)]
    (folder / "study.json").write_bytes(to_json({"name": "many", "grid_sha256": "1", "cells": ids}))
    rows = {
        "run": ids, "trunk": [cell_id(-1 - n) for n in range(cells)], "role": ["pilot"] * cells,
        "family": ["transformer"] * cells, "steps": [64] * cells, "seconds": [1.4] * cells,
    }  # fmt: skip
    numbers = {name: [1] * cells for name in planned.COLUMNS if name not in rows}
    planned.save(folder, pa.table({**rows, **numbers}).select(list(planned.COLUMNS)))


class Asked:
    """A cell of the plan, as far as the store asks."""

    def __init__(self, run: str) -> None:
        self.id = run


def cells_of(folder: Path) -> list[Asked]:
    return [Asked(run) for run in read_json(folder / "study.json")["cells"]]


def loop(folder: Path) -> int:
    records = [
        json.loads((folder / "cells" / run.id / RECORD).read_text()) for run in cells_of(folder)
    ]
    return len(pd.DataFrame(records, columns=TABLE_COLUMNS))


def build(folder: Path) -> int:
    (folder / index.FILE).unlink(missing_ok=True)
    return len(Store(folder).look().rows)


def table(folder: Path) -> int:
    return len(Store(folder).table(cells_of(folder)))


def write(folder: Path) -> int:
    return len(Store(folder).write_table(cells_of(folder)))


def status(folder: Path) -> int:
    return status_of(folder).counts["finished"]


def resume(folder: Path) -> int:
    """What `scaling run` asks of the store where nothing is left to train."""
    cells, store = cells_of(folder), Store(folder)
    grid = Grid.model_validate({"name": "many", "pilots": [{"widths": [8], "tokens": [65536]}]})
    store.open(grid, "", {"grid_sha256": "1", "cells": [cell.id for cell in cells]})
    assert len(store.done(cells)) == len(cells)
    return len(store.write_table(cells))


PARTS: dict[str, Callable[[Path], int]] = {
    "plain loop over JSON, unchecked": loop,
    "index made anew, all checksums": build,
    "table by the index": table,
    "table.parquet and .csv written": write,
    "resume of the finished study": resume,
    "status": status,
}


def ask(folder: Path, part: str) -> None:
    """In a process of its own: seconds, those of a core, cells, peak memory, in all and added."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, computed = time.perf_counter(), time.process_time()
    cells = PARTS[part](folder)
    took, computed = time.perf_counter() - began, time.process_time() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([took, computed, cells, peak / 1024, (peak - before) / 1024]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="use, or make and keep, this study")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        ask(asked.folder, asked.part)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary) / "study"
        if not (folder / "study.json").exists():
            began = time.perf_counter()
            make(folder, asked.cells)
            print(f"{asked.cells:,} cells made up in {time.perf_counter() - began:.1f} s")
        baseline = None
        for part in PARTS:
            command = [sys.executable, __file__, "--folder", str(folder), "--part", part]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            took, computed, cells, peak, more = json.loads(done.stdout)
            baseline = baseline or computed
            print(
                f"{part:34} {cells:9,} cells {took:8.3f} s, {computed:7.3f} of a core: "
                f"{baseline / computed:5.2f}x of the loop's speed; peak {peak:,.0f} MB "
                f"({more:,.0f} beyond imports)"
            )
        size = (folder / index.FILE).stat().st_size
        print(f"index: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
