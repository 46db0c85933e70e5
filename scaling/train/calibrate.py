"""How long a step and an evaluation take here: measured briefly, cached by machine and shape."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scaling.data.corpus import cache_folder
from scaling.grid import CHUNK_STEPS, AnyData, Cell

MEASURE_SECONDS = 1.5


def measure(cell: Cell, data: AnyData) -> dict[str, float]:
    """Seconds of one step, one evaluation and of a trunk's start for the cell's shape.

    Compiling here fills the persistent cache, so that a trunk only loads what it runs: its start
    is timed as that load, from a second build of the same program.
    """
    import jax

    from scaling.train.step import Program
    from scaling.train.tasks import feed_of

    feed = feed_of(cell, data)
    rates = np.full(CHUNK_STEPS, 1e-4, np.float32)
    noise = np.zeros(CHUNK_STEPS, np.uint32)

    def build() -> tuple[Callable[[], None], Callable[[], None]]:
        program = Program(cell.family, cell.shape, cell.recipe, streamed=feed.streamed)
        state, at = program.init(jax.random.key(0)), 0

        def chunk() -> None:
            nonlocal state, at
            picks, at = feed.picks(at, CHUNK_STEPS), at + CHUNK_STEPS  # a stream goes on
            state, telemetry = program.chunk(state, feed.arrays, picks, rates, noise)
            jax.device_get(telemetry)

        def evaluate() -> None:
            program.evaluate(state, feed.held_out_arrays, feed.held_out())

        chunk()
        evaluate()
        return chunk, evaluate

    chunk, evaluate = build()
    seconds: list[float] = []
    while sum(seconds) < MEASURE_SECONDS or len(seconds) < 3:
        seconds.append(_seconds(chunk))
    evaluation = _seconds(evaluate)
    start = _seconds(build)
    step = float(np.mean(seconds)) / CHUNK_STEPS
    return {
        "step": step,
        # An evaluation reads the held-out part and a quarter as much of the training part.
        "evaluation": 1.25 * evaluation,
        "start": max(0.0, start - evaluation - CHUNK_STEPS * step),
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def known(cells: list[Cell]) -> dict[str, dict[str, float]]:
    """Measurements of this machine for the shapes of `cells`, by `Cell.timing_key`."""
    try:
        stored = json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
    return {k: stored[k] for k in {c.timing_key for c in cells} if k in stored}


def remember(measured: dict[str, dict[str, float]]) -> None:
    try:
        stored = json.loads(_path().read_text())
    except (OSError, ValueError):
        stored = {}
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps({**stored, **measured}, indent=1))
    partial.replace(path)


def _path() -> Path:
    from importlib.metadata import version

    machine = f"{platform.node()}-{platform.machine()}-{os.cpu_count()}-jax{version('jax')}"
    return cache_folder() / "calibration" / f"{machine}.json"
