"""What trackers cost: CPU time of a cell, in the training's own thread and beside it.

    python benchmarks/trackers.py [--cells 50] [--points 8] [--json]

Each tracker follows the same made-up cells into a folder that is thrown away, after one to warm up
(imports); the baseline follows them into nothing. Weights & Biases' own program, a process of its
own, is not counted.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from setting import text_setting

from scaling.grid import CHUNK_STEPS, Cell
from scaling.sweep import trackers
from scaling.train.course import Log
from scaling.train.telemetry import Chunk


def main(
    cells: Annotated[int, typer.Option(min=1, help="Cells to follow.")] = 50,
    points: Annotated[int, typer.Option(min=2, help="Of each curve.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure each tracker that is installed."""
    one, found = text_setting(8).cell, {}
    made = [_cell(one, seed, points) for seed in range(cells + 1)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRACKIO_DIR"] = folder  # read at its import
        for name in ("none", *trackers.names()):
            specs = trackers.ready({} if name == "none" else {name: {}}, Path(folder) / name)
            _follow(specs, made[:1])
            whole, thread = time.process_time(), _follow(specs, made[1:])
            whole = time.process_time() - whole
            found[name] = {"thread": 1e3 * thread / cells, "whole": 1e3 * whole / cells}
    if as_json:
        print(json.dumps(found))
        return
    print(f"CPU milliseconds a cell of {points} points")
    for name, cost in found.items():
        print(f"{name:<12} training's thread {cost['thread']:6.2f}   process {cost['whole']:7.1f}")


def _cell(one: Cell, seed: int, points: int) -> Cell:
    return replace(one, seed=seed, steps=points * CHUNK_STEPS)


def _follow(specs: trackers.Specs, cells: list[Cell]) -> float:
    """Seconds of this thread's CPU, the wait for the end left out."""

    def refuse(told: str) -> None:
        raise SystemExit(told)

    logs = [Log(chunks=_chunks(cell.steps)) for cell in cells]
    with trackers.follow(specs, "benchmark", cells, refuse) as tracking:
        began = time.thread_time()
        for cell, whole in zip(cells, logs, strict=True):
            log = Log()
            for chunk in whole.chunks:
                log.chunks.append(chunk)
                tracking.chunk(cell.trunk, log)
            record = {**cell.facts(), "loss": 1.5, "steps": cell.steps, "status": "finished"}
            tracking.cell(cell, record, log)
        return time.thread_time() - began


def _chunks(steps: int) -> list[Chunk]:
    nothing, blocks = np.zeros(CHUNK_STEPS), np.zeros(0, np.float32)
    loss = np.ones(CHUNK_STEPS, np.float32)
    return [
        Chunk(
            first, loss, loss, loss, nothing.astype(bool), nothing.astype(np.int32), blocks, blocks,
            blocks, float("nan"),
        )
        for first in range(0, steps, CHUNK_STEPS)
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
