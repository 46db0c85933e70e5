"""What a sweep costs beyond its training, and how fast it is: by the real command line.

    python benchmarks/sweep.py [--only start,cells,grid,ray,stop,resume] [--cells 1000] [--json]

start    what a worker process spends before its first step, and each cell in it, part by part
cells    trivial cells a second, local executor, all cores, once warm; baseline: each cell by
         itself, its program made anew, as the engine did before programs were kept
grid     runs/text.toml cut short: cells a second of one worker on each core against one worker
ray      both of them through Ray, against the local executor
stop     from SIGTERM to the end of the command, which trains the targets of runs/text.toml
resume   a finished study of 10,000 cells taken up again; baselines: a plain loop over its records,
         and `scaling --help`

Wall times are those of the machine as it is. CPU times are of all processes together, and tell
what a machine at rest can reach: cells a second of so many cores is their number over a cell's.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from studies import (
    BEGUN,
    Ran,
    cells_of,
    cut_short,
    fabricate,
    scaling,
    stopped,
    targets,
    trivial,
)
from worker_costs import alone, parts_of_a_cell, starts

from scaling.devices import cores

PARTS = ("start", "cells", "grid", "ray", "stop", "resume")
WARM = 0.1  # of the cells, that are left out: processes start, programs are compiled
TEXT, SHARE = Path(__file__).parents[1] / "runs" / "text.toml", 1 / 8


def main(
    only: Annotated[str, typer.Option(help=f"Parts, by commas: {', '.join(PARTS)}.")] = "",
    cells: Annotated[int, typer.Option(min=100, help="Trivial cells.")] = 1000,
    finished: Annotated[int, typer.Option(min=100, help="Of the finished study.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure sweeps end to end."""
    asked = only.split(",") if only else list(PARTS)
    if unknown := set(asked) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(unknown)}; valid: {', '.join(PARTS)}")
    report: dict[str, Any] = {"cores": len(cores())}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if "start" in asked:
            report["start"] = starts(home) | parts_of_a_cell(home)
        if "cells" in asked:
            report["cells"] = trivial_cells(home, cells)
        if "grid" in asked:
            report["grid"] = workers_against_one(home)
        if "ray" in asked:
            report["ray"] = ray_against_local(home, cells)
        if "stop" in asked:
            report["stop"] = told_to_stop(home)
        if "resume" in asked:
            report["resume"] = resumed(home, finished)
    if as_json:
        print(json.dumps(report, indent=1))
        return
    for part, figures in report.items():
        if isinstance(figures, dict):
            print(part)
            for name, value in figures.items():
                print(f"  {name:<52} {value:,.4g}" if value < 1e4 else f"  {name:<52} {value:,.0f}")


def trivial_cells(home: Path, cells: int) -> dict[str, float]:
    """Cells a second once warm, and against each cell by itself on as many cores."""
    grid, few = trivial(cells, home / "cells.toml"), trivial(100, home / "few.toml")
    scaling("run", str(few), "--out", str(home / "first"), home=home)  # compiles, calibrates
    start = scaling("run", str(few), "--out", str(home / "few"), home=home)
    ran = scaling("run", str(grid), "--out", str(home / "cells"), home=home)
    each = (ran.cpu_seconds - start.cpu_seconds) / (len(ran.finished) - len(start.finished))
    by_itself = alone(cells_of(few)[:: 100 // 10])
    return {
        "cells a second, wall": rate(ran),
        "CPU ms a cell, all processes": 1e3 * each,
        "cells a second, machine at rest": len(cores()) / each,
        "baseline: each by itself, CPU ms a cell": 1e3 * by_itself,
        "baseline: cells a second, machine at rest": len(cores()) / by_itself,
        "times the baseline, CPU": by_itself / each,
        "seconds to the first cell": ran.finished[0],
        "seconds after the last cell": ran.seconds - ran.finished[-1],
    }


def workers_against_one(home: Path) -> dict[str, float]:
    """The shipped grid, cut short: all cores against one, in turns."""
    grid = cut_short(TEXT, SHARE, home / "grid.toml")
    every = str(len(cores()))
    scaling("run", str(grid), "--out", str(home / "first"), home=home)
    rates: dict[str, list[float]] = {"1": [], every: []}
    used: dict[str, float] = {}
    for turn in range(2):
        for workers in ("1", every):
            out = str(home / f"{turn}-{workers}")
            ran = scaling("run", str(grid), "--out", out, "--workers", workers, home=home)
            rates[workers].append(len(ran.finished) / (ran.finished[-1] - begun(ran)))
            used[workers] = ran.cpu_seconds / len(ran.finished)
    one, many = (statistics.median(rates[workers]) for workers in ("1", every))
    return {
        "cells": len(cells_of(grid)),
        "baseline: cells a second, 1 worker": one,
        f"cells a second, {every} workers": many,
        "times one worker": many / one,
        "CPU seconds a cell, 1 worker": used["1"],
        f"CPU seconds a cell, {every} workers": used[every],
        "times one worker, machine at rest": len(cores()) * used["1"] / used[every],
    }


def ray_against_local(home: Path, cells: int) -> dict[str, float]:
    """Cells a second once warm, in turns."""
    found: dict[str, float] = {}
    grids = {"trivial": trivial(cells, home / "ray.toml"),
             "text": cut_short(TEXT, SHARE, home / "text.toml")}  # fmt: skip
    for name, grid in grids.items():
        scaling("run", str(grid), "--out", str(home / f"{name}-first"), home=home)
        rates: dict[str, list[float]] = {"local": [], "ray": []}
        for turn in range(2):
            for executor in rates:
                out = str(home / f"{name}-{turn}-{executor}")
                ran = scaling(
                    "run", str(grid), "--out", out, "--executor", executor, home=home
                )  # fmt: skip
                rates[executor].append(rate(ran))
        local, ray = (statistics.median(rates[executor]) for executor in ("local", "ray"))
        found |= {
            f"{name}: baseline, local, cells a second": local,
            f"{name}: ray, cells a second": ray,
            f"{name}: ray over local": ray / local,
        }
    return found


def told_to_stop(home: Path) -> dict[str, float]:
    """The shipped grid's targets, its largest models: stopped while they start and while they
    train."""
    grid, out = targets(TEXT, home / "stop.toml"), str(home / "stop")
    took = [
        stopped("run", str(grid), "--out", out, home=home, then=then) for then in (2.0, 20.0, 40.0)
    ]
    return {"seconds, the longest of three": max(took), "seconds, the shortest": min(took)}


def resumed(home: Path, cells: int) -> dict[str, float]:
    """Seconds until a finished study has said so."""
    grid, out = trivial(cells, home / "many.toml"), home / "many"
    made = fabricate(grid, out)
    again = [scaling("run", str(grid), "--out", str(out), home=home) for _ in range(4)]
    if again[0].finished:
        raise SystemExit("the benchmark's own study was not finished")
    began = time.perf_counter()
    for path in out.glob("cells/*/record.json"):
        json.loads(path.read_bytes())
    loop = time.perf_counter() - began
    shown = scaling("--help", home=home)
    return {
        "cells": made,
        "seconds, the first time": again[0].seconds,
        "seconds, then": min(ran.seconds for ran in again[1:]),
        "CPU seconds, then": min(ran.cpu_seconds for ran in again[1:]),
        "baseline: plain loop over its records, seconds": loop,
        "baseline: scaling --help, seconds": shown.seconds,
    }


def rate(ran: Ran) -> float:
    """Cells a second, the first tenth left out."""
    finished = ran.finished
    first = int(WARM * len(finished))
    return (len(finished) - 1 - first) / (finished[-1] - finished[first])


def begun(ran: Ran) -> float:
    """When training began: what is planned was told just before."""
    return next(at for at, line in ran.lines if BEGUN in line)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("benchmarks/sweep.py pins processes to cores: Linux only")
    typer.run(main)
