"""How fast a large study is planned, and how well its schedule fills the devices.

    python benchmarks/plan.py [--cells 100000] [--devices 1000] [--before COMMIT] [--json]

A grid of 20 sizes, 10 lengths (one trunk serves all) and as many seeds as it takes: planned and
costed in a process of its own, whose peak memory is read, and scheduled. Times are the process's
own (the machine may be shared), beside the time that passed. Baselines: the same calls of the code
before plans shared what cells share, from the repository's history (a hundredth of the cells,
scaled up; left out where the history isn't there); and, for the schedule, the same trunks taken in
the grid's order and in random order.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer

from scaling.sweep.planning.schedule import Task, schedule

ROOT = Path(__file__).parents[1]
BEFORE = "e7f4577"
SHARE = 100  # of the cells, that the code before is timed on
SIZES, LENGTHS = 20, 10
# What both versions can: the FLOPs of a trunk stand for its time, on devices that are all alike.
PROGRAM = """
import json, resource, sys, time
passed, began = time.perf_counter(), time.process_time()
from scaling.grid import Axes, Grid, open_data, plan
from scaling.sweep.planning.plan import by_length, costs
seeds, sizes, lengths = map(int, sys.argv[1:])
block = Axes(
    sizes=[1e5 * 10 ** (2 * k / (sizes - 1)) for k in range(sizes)],
    tokens=[1e6 * 10 ** (2 * k / (lengths - 1)) for k in range(lengths)],
    seeds=list(range(seeds)),
)
grid = Grid(name="large", pilots=[block])
data = open_data(grid.data, "token")
times = {"imports and data": time.process_time() - began}
def timed(name, work):
    began = time.process_time()
    found = work()
    times[name] = time.process_time() - began
    return found
cells = timed("plan", lambda: plan(grid, data))
known = timed("costs", lambda: costs(cells, {}))
_, weights = timed("trunks, longest first", lambda: by_length(cells, known))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
passed = time.perf_counter() - passed
print(json.dumps({"cells": len(cells), "seconds": times, "passed": passed, "weights": weights,
                  "GB": peak}))
"""


def main(
    cells: Annotated[int, typer.Option(min=SHARE * SIZES * LENGTHS)] = 100_000,
    devices: Annotated[int, typer.Option(min=8)] = 1000,
    before: Annotated[str, typer.Option(help="The baseline's commit.")] = BEFORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Plan, cost and schedule; print times, memory, and how far schedules end above the bound."""
    seeds = cells // (SIZES * LENGTHS)
    found = planned(ROOT, seeds)
    weights = found.pop("weights")
    found["schedule"] = scheduled(weights, devices)
    found["before"] = of_before(before, max(1, seeds // SHARE))
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        tell(found, devices)


def planned(tree: Path, seeds: int) -> dict[str, Any]:
    """What PROGRAM says, with the code of a tree."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seeds), str(SIZES), str(LENGTHS)],
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def scheduled(weights: list[float], devices: int) -> dict[str, Any]:
    """The share by which a schedule ends above what none beats; trunks of one device, and, of the
    same ones, a third that take 8 and a third that take 2."""
    began = time.process_time()
    ours = schedule([Task(weight) for weight in weights], devices)
    seconds = time.process_time() - began
    shuffled = random.Random(0).sample(weights, len(weights))
    several = [Task(w, (1, 2, 8)[at % 3]) for at, w in enumerate(weights)]
    return {
        "seconds": seconds,
        "trunks": len(weights),
        "longest trunk, of the bound": max(weights) / ours.bound,
        "over the bound": ours.over_bound,
        "over the bound, the grid's order": in_order(sorted(weights), devices) / ours.bound - 1,
        "over the bound, random order": in_order(shuffled, devices) / ours.bound - 1,
        "over the bound, runs of 1, 2 and 8 devices": schedule(several, devices).over_bound,
    }


def in_order(weights: list[float], devices: int) -> float:
    """When the last one ends where each in turn starts on the first device that is free."""
    from heapq import heapreplace

    free = [0.0] * devices
    last = 0.0
    for weight in weights:
        end = free[0] + weight
        heapreplace(free, end)
        last = max(last, end)
    return last


def of_before(commit: str, seeds: int) -> dict[str, Any] | None:
    """The baseline on fewer seeds; None where the commit is not in the history."""
    archive = subprocess.run(
        ["git", "archive", commit, "scaling"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        found = planned(Path(folder), seeds)
    found.pop("weights")
    return {"commit": commit, **found}


def tell(found: dict[str, Any], devices: int) -> None:
    count, steps = found["cells"], found["seconds"]
    total = sum(steps.values()) + found["schedule"]["seconds"]
    print(
        f"{count:,} cells on {devices:,} devices: {total:.1f} s of one core "
        f"({found['passed']:.1f} s passed), {found['GB']:.2f} GB"
    )
    before = found["before"]
    for name, seconds in steps.items():
        line = f"  {name}: {seconds:.2f} s"
        if before and name in ("plan", "costs"):
            scaled = before["seconds"][name] * count / before["cells"]
            line += f"; before ({before['commit']}) {scaled:.1f} s, {scaled / seconds:.1f} x"
        print(line)
    if before is None:
        print("  the code before is not in this repository's history: no ratio")
    for name, value in found["schedule"].items():
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
        print(f"  schedule, {name}: {f'{value:.2%}' if 'bound' in name else shown}")


if __name__ == "__main__":
    typer.run(main)
