"""Studies for `benchmarks/sweep.py`: of trivial cells, of a shipped grid cut short, and finished
ones that were never trained."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from unittest.mock import patch

import pandas as pd

from scaling.grid import Cell, open_data, parse_grid, plan, unit_of
from scaling.planned import plan_study
from scaling.study import _facts
from scaling.sweep.storing.store import Store

# MLPs of 300 and 700 parameters, 32 steps of 16 images of 8 x 8: next to no training.
TRIVIAL = """
name = "trivial"
[data]
source = "digits"
held_out = 0.2
[train]
batch_images = 16
warmup_steps = 8
base_width = 8
[[pilots]]
model = {{ family = "mlp", depth = 1 }}
widths = [4, 8]
images = [512]
learning_rates = [0.002, 0.004, 0.008, 0.016, 0.032]
seeds = [{seeds}]
"""
PER_SEED = 10
# Lines of the command: what is planned, and a cell that has finished.
BEGUN, FINISHED = ", folder ", re.compile(r" +\d+/\d+  ")


def trivial(cells: int, path: Path) -> Path:
    path.write_text(TRIVIAL.format(seeds=", ".join(map(str, range(-(-cells // PER_SEED))))))
    return path


def cut_short(grid: Path, share: float, path: Path) -> Path:
    """The pilots of a shipped grid with that share of their tokens, and no targets."""
    lines, part = [], ""
    for line in grid.read_text().splitlines():
        if line.startswith("["):
            part = line.strip("[]")
        key, _, value = (piece.strip() for piece in line.partition("="))
        if part == "pilots" and key == "tokens":
            numbers = value.split("#")[0].strip("[] ").split(",")
            line = f"tokens = {[float(number) * share for number in numbers if number.strip()]}"
        if part not in ("targets", "proof", "rivals"):
            lines.append(line)
    path.write_text("\n".join(lines))
    return path


def targets(grid: Path, path: Path) -> Path:
    """The targets of a shipped grid alone, as its pilots."""
    head, *blocks = re.split(r"(?m)^(?=\[)", grid.read_text())
    kept = [block for block in blocks if re.match(r"\[(data|model|train)\]|\[\[targets", block)]
    path.write_text(head + "".join(kept).replace("[[targets]]", "[[pilots]]"))
    return path


def cells_of(grid: Path) -> list[Cell]:
    read = parse_grid(grid.read_text())
    return plan(read, open_data(read.data, unit_of(read.families)))


def fabricate(grid: Path, folder: Path) -> int:
    """A finished study of the grid, as the store keeps one; losses are made up."""
    planned, store = plan_study(grid, workers=1, measure=False), Store(folder)
    curve = pd.DataFrame({"step": [16, 32], "images": [256, 512], "loss": [2.3, 2.2]})
    # Ten thousand files that reach the disk one by one would take minutes.
    with patch("os.fsync", lambda descriptor: None):
        store.open(planned.grid, grid.read_text(), _facts(planned), planned.known)
        for cell in planned.cells:
            record = cell.facts() | {
                "loss": 2.2, "loss_se": 0.01, "train_loss": 2.1, "status": "finished",
                "reason": "", "steps": cell.steps, "flops_spent": cell.C, "seconds": 0.1,
            }  # fmt: skip
            store.save(cell, record, curve)
    return len(planned.cells)


@dataclass
class Ran:
    """A command that came to its end. lines: when each was printed, from its start."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of it and all its children
    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def finished(self) -> list[float]:
        """When each cell was."""
        return [at for at, line in self.lines if FINISHED.match(line)]


def scaling(*arguments: str, home: Path) -> Ran:
    """Run the real command line."""
    ran, used = Ran(), getrusage(RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = started(*arguments, home=home)
    assert process.stdout is not None
    for line in process.stdout:
        ran.lines.append((time.perf_counter() - began, line))
    if process.wait():
        raise SystemExit("".join(line for _, line in ran.lines))
    ran.seconds = time.perf_counter() - began
    now = getrusage(RUSAGE_CHILDREN)
    ran.cpu_seconds = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return ran


def stopped(*arguments: str, home: Path, then: float) -> float:
    """Seconds from SIGTERM, so long after training began, until the process is gone and its
    workers with it."""
    process = started(*arguments, home=home)
    assert process.stdout is not None
    while BEGUN not in process.stdout.readline():
        if process.poll() is not None:
            raise SystemExit("the benchmark's own study did not begin")
    time.sleep(then)
    began = time.perf_counter()
    process.terminate()
    process.communicate()
    if process.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"the benchmark's own study ended with {process.returncode}")
    return time.perf_counter() - began


def started(*arguments: str, home: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "SCALING_CACHE": str(home / "cache"),
        "PYTHONUNBUFFERED": "1",
        # As a package that is installed has its bytecode.
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "scaling.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@contextmanager
def pinned() -> Iterator[None]:
    """One core, as a worker has."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
