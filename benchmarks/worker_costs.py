"""What a worker spends beside training, part by part, on one core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from studies import cells_of, pinned, trivial

from scaling.grid import CHUNK_STEPS, AnyData, Cell, Data, open_data
from scaling.sweep.planning.plan import costs
from scaling.sweep.work import Order, prepare_jax, work
from scaling.train import schedule
from scaling.train.engine import train_trunk
from scaling.train.kept import Kept

DIGITS = Data(source="digits", held_out=0.2)
CELLS = 60

# A worker's life until its first and its second cell: seconds since its process was started.
LIFE = """
import json, sys, time
began = float(sys.argv[1])
from pathlib import Path
from studies import cells_of
import worker_costs
told = {"imports": time.time() - began}
first, second = cells_of(Path(sys.argv[2]))[:2]
worker_costs.ordered([first], Path(sys.argv[3]))
told["first cell"] = time.time() - began - told["imports"]
then = time.time()
worker_costs.ordered([second], Path(sys.argv[3]))
told["second cell"] = time.time() - then
print(json.dumps(told))
"""


def starts(home: Path) -> dict[str, float]:
    """Seconds of a worker's start, on a machine that has never compiled its program and then on
    one that has."""
    found = {}
    for name in ("cold", "warm"):
        environment = {**os.environ, "SCALING_CACHE": str(home / "start-cache")}
        grid, out = trivial(100, home / "start.toml"), home / f"start-{name}"
        done = subprocess.run(
            [sys.executable, "-c", LIFE, str(time.time()), str(grid), str(out)],
            env=environment, cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
        told = json.loads(done.stdout)
        found |= {f"{part}, {name} cache, seconds": told[part] for part in told}
    return found


def parts_of_a_cell(home: Path) -> dict[str, float]:
    """CPU milliseconds of one trivial cell in a warm worker, from its training outwards."""
    cells, kept = cells_of(trivial(10 * CELLS, home / "parts.toml")), Kept()
    data = open_data(DIGITS, "image")
    runs: dict[str, Callable[[Sequence[Cell]], None]] = {
        "steps and evaluations": lambda some: bare(some, data, kept),
        "+ engine: watch, schedule, snapshots, costs": lambda some: through(some, data, kept),
        "+ worker: claim, record, curve, files": lambda some: ordered(some, home / "parts"),
    }
    found, before = {}, 0.0
    with pinned():
        for name, run in runs.items():
            run(cells[:20])
            began = time.process_time()
            run(cells[20 : 20 + CELLS])
            spent = 1e3 * (time.process_time() - began) / CELLS
            found[f"CPU ms, {name}"], before = spent - before, spent
    return found


def alone(cells: Sequence[Cell]) -> float:
    """CPU seconds of a cell whose program is made anew, loaded from the machine's cache."""
    data = open_data(DIGITS, "image")
    prepare_jax()
    with pinned():
        through(cells[:2], data, None)
        began = time.process_time()
        through(cells, data, None)
        return (time.process_time() - began) / len(cells)


def bare(cells: Sequence[Cell], data: AnyData, kept: Kept) -> None:
    """The steps and evaluations of the cells, and nothing else."""
    for cell in cells:
        feed = kept.feed(cell, data)
        program = kept.program(cell.family, cell.shape, cell.recipe)
        state = program.init(jax.random.key(cell.seed))
        rates = np.full(CHUNK_STEPS, cell.recipe.learning_rate, np.float32)
        for step in range(0, cell.steps, CHUNK_STEPS):
            noise = schedule.noise(cell.seed, step, CHUNK_STEPS)
            picks = feed.picks(step, CHUNK_STEPS)
            state, told = program.chunk(state, feed.arrays, picks, rates, noise)
            jax.device_get(told)
        program.evaluate(state, feed.held_out_arrays, feed.held_out())
        program.evaluate(state, feed.arrays, feed.sample())


def through(cells: Sequence[Cell], data: AnyData, kept: Kept | None) -> None:
    """The cells as the engine trains them; nothing is stored."""
    make: dict[str, Any] = {}
    if kept is not None:
        make = {"make_program": kept.program, "make_feed": kept.feed}
    for cell in cells:
        train_trunk(
            [cell], data, checkpoint_path=Path("nowhere.npz"), on_cell=lambda *_: None, **make
        )  # fmt: skip


def ordered(cells: Sequence[Cell], folder: Path) -> None:
    """The cells as a worker trains them, an order each."""
    known = costs(list(cells), {})
    for cell in cells:
        work(
            Order(
                cohorts=(((cell,),),),
                data=DIGITS,
                folder=str(folder),
                known={cell.id: known[cell.id]},
                like={cell.trunk: []},
            )
        )
