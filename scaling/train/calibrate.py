"""How long a step and an evaluation take here: measured briefly, kept by machine, program, shape.

A worker that has one core to itself, and shares it with whatever else runs there, is timed by its
own time on it: a plan then says what a machine at rest would take.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from scaling.data.corpus import cache_folder
from scaling.grid import CHUNK_STEPS, AnyData, Cell

MEASURE_SECONDS = 1.5
# Of the package, what a compiled step is made of.
PROGRAM = ("models", "train")


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
            program.evaluate(state, feed.arrays, feed.sample())

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
        "evaluation": evaluation,  # of the held-out part, and of the sample of training items
        "start": max(0.0, start - evaluation - CHUNK_STEPS * step),
    }


def clock() -> Callable[[], float]:
    """This process's own time where it has one core of a CPU, else the time that passes."""
    import jax

    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    alone = len(cores) == 1 and jax.default_backend() == "cpu"
    return time.process_time if alone else time.perf_counter


def _seconds(work: Callable[[], Any]) -> float:
    now = clock()
    began = now()
    work()
    return now() - began


def known(cells: list[Cell]) -> dict[str, dict[str, float]]:
    """Measurements of this machine and program for the shapes of `cells`, by `Cell.timing_key`."""
    stored = read()
    return {k: stored[k] for k in {c.timing_key for c in cells} if k in stored}


def read() -> dict[str, dict[str, float]]:
    """All measurements of this machine and program."""
    try:
        stored: dict[str, dict[str, float]] = json.loads(_path().read_text())["measured"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return stored


def remember(measured: dict[str, dict[str, float]]) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    facts = {"machine": machine(), "measured": {**read(), **measured}}
    partial.write_text(json.dumps(facts, indent=1))
    partial.replace(path)


def elsewhere() -> list[str]:
    """Other machines that this cache holds calibrations of; they say nothing here."""
    found = set()
    for path in _path().parent.glob("*.json"):
        try:
            found.add(str(json.loads(path.read_text())["machine"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found - {machine()})


def note() -> str:
    """What to say where only other machines' calibrations, or other programs', are in the cache."""
    if find_spec("jax") is None or read():
        return ""
    if others := elsewhere():
        return f"calibrated on another machine ({'; '.join(others)}): timed anew on {machine()}"
    if any(_path().parent.glob("*.json")):
        return "calibrated with another version of the program: timed anew"
    return ""


@cache
def machine() -> str:
    """Name, kind of processor and number of cores."""
    return f"{platform.node()}, {_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


@cache
def program_version() -> str:
    """What compiled steps are made of: JAX's version, and our own sources."""
    from importlib.metadata import version

    digest = hashlib.sha256(version("jax").encode())
    root = Path(__file__).parents[1]
    for part in PROGRAM:
        for path in sorted((root / part).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _path() -> Path:
    here = hashlib.sha256(machine().encode()).hexdigest()[:12]
    return cache_folder() / "calibration" / f"{here}-{program_version()}.json"
