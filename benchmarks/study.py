"""A whole study's wall time: our engine against one full run a cell in the usual Flax loop (a).

    python benchmarks/study.py [GRID] [--study DIR] [--seconds 5] [--full] [--json]

Our engine: trunk and cooldown branches over pinned workers, as `scaling run` does it; the grid is
planned and trained in a temporary folder, or its wall time is read from the records of a finished
study (`--study DIR`, measured on this machine). Loop (a): the same cells, one full run each, one
after another, each a process of its own on all cores that starts, trains and evaluates as many
held-out tokens. By default its start and rates are measured for each shape and its wall time
extrapolated from them; `--full` trains every cell. Ratios are given with and without the starts
of the loop's processes; ours, and what our engine compiles, calibrates and forecasts, always
count where this program runs the study itself.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from processes import alternate, teams, whole
from rich.console import Console
from rich.progress import track
from rich.table import Table
from setting import Setting

from scaling.data.corpus import load
from scaling.devices import cores
from scaling.errors import InputError
from scaling.grid import Cell, Grid, plan
from scaling.planned import plan_study
from scaling.study import run_study
from scaling.sweep.storing.records import read_json
from scaling.sweep.storing.store import Store
from scaling.sweep.work import machine

# One window of the loop at a shape is cut into these, to see how steady the machine is.
WINDOWS = 3


@dataclass(frozen=True)
class Ours:
    """The study as our engine ran it."""

    cells: list[Cell]
    grid: Grid
    records: dict[str, dict[str, Any]]
    wall: float
    how: str


def main(
    grid: Annotated[Path, typer.Argument(help="The study's grid.")] = Path("runs/text.toml"),
    study: Annotated[
        Path | None, typer.Option(help="A finished study of this machine, instead of GRID.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long the loop is timed at each shape.")
    ] = 5.0,
    full: Annotated[
        bool, typer.Option("--full", help="Really train every cell in the loop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure what trunks, branches and pinned workers save over a whole study."""
    console = Console(stderr=True, highlight=False)
    try:
        ours = finished(study) if study else run(grid, console)
    except InputError as error:
        console.print(f"error: {error}", soft_wrap=True, markup=False)
        raise SystemExit(2) from None
    theirs = loop_runs(ours, seconds, full, console)
    report = compare(ours, theirs, full)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


def run(path: Path, console: Console) -> Ours:
    """Plan and train the grid in a temporary folder."""
    workers = len(cores())
    with tempfile.TemporaryDirectory() as folder:
        console.print(f"training {path} with {workers} workers", soft_wrap=True)
        began = time.perf_counter()
        planned = plan_study(path, workers=workers)
        run_study(planned, path, Path(folder) / "study", start=lambda: planned.start(workers))
        wall = time.perf_counter() - began
        records = Store(Path(folder) / "study").finished(planned.cells)
    return Ours(
        planned.cells, planned.grid, records, wall, "plan (shapes not known yet are timed) and run"
    )


def finished(folder: Path) -> Ours:
    """A study that was trained here: its wall time is that of its pilots and of its targets."""
    grid = Grid.model_validate(read_json(folder / "study.json")["grid"])
    data = grid.data
    corpus = load(data.source, tokenizer=data.tokenizer, held_out=data.held_out)
    cells = plan(grid, corpus)
    records = Store(folder).finished(cells)
    if missing := len(cells) - len(records):
        raise InputError(
            f"{folder}: {missing} of {len(cells)} cells have no record; the study is unfinished, "
            "or was trained on other text"
        )
    foreign = {record["machine"] for record in records.values()} - {machine()}
    if foreign:
        raise InputError(f"{folder}: trained on {foreign.pop()}, this is {machine()}")
    phases = [
        [record for record in records.values() if record["role"] == role]
        for role in ("pilot", "target")
    ]
    wall = sum(_span(phase) for phase in phases if phase)
    return Ours(cells, grid, records, wall, "records, first start to last end of each phase")


@dataclass(frozen=True)
class LoopRun:
    """One cell in loop (a), seconds: its process until the first step is done, and its work."""

    start: float
    work: float


def loop_runs(ours: Ours, seconds: float, full: bool, console: Console) -> dict[str, LoopRun]:
    """Each cell's own full run in loop (a), by the cell's id."""
    by_shape: dict[Setting, list[Cell]] = {}
    for cell in ours.cells:
        setting = Setting(cell.shape, cell.recipe, ours.grid.data, cell.family)
        by_shape.setdefault(setting, []).append(cell)
    took: dict[str, LoopRun] = {}
    limit = ours.grid.data.eval_tokens
    for setting, cells in track(by_shape.items(), "timing loop (a)", console=console):
        if full:
            took |= {cell.id: full_run(setting, cell, limit) for cell in cells}
            continue
        start, train = timed("flax", setting, seconds)
        _, read = timed("flax_evaluation", (setting, limit), seconds)
        took |= {cell.id: LoopRun(start, cell.D / train + limit / read) for cell in cells}
    return took


def timed(workload: str, what: Any, seconds: float) -> tuple[float, float]:
    """Seconds until a process of that workload is ready, and then its rate."""
    began = time.perf_counter()
    with teams({"loop": (workload, what, whole())}) as started:
        start = time.perf_counter() - began
        rates = alternate(started, WINDOWS, seconds / WINDOWS)["loop"]
    return start, sum(rates) / len(rates)


def full_run(setting: Setting, cell: Cell, limit: int) -> LoopRun:
    """Train one cell in loop (a), in a process of its own."""
    began = time.perf_counter()
    with teams({"loop": ("flax_run", (setting, cell.steps, cell.seed, limit), whole())}) as started:
        start = time.perf_counter() - began
        return LoopRun(start, cell.D / started["loop"].window(0.0))


def compare(ours: Ours, theirs: dict[str, LoopRun], full: bool) -> dict[str, Any]:
    """The ratio of wall times, in the two factors that make it, and its rows by shape."""
    apart = sum(cell.C for cell in ours.cells)
    spent = sum(record["flops_spent"] for record in ours.records.values())
    loop = sum(run.work for run in theirs.values())
    starts = sum(run.start for run in theirs.values())
    rows = []
    for shape in dict.fromkeys(cell.shape for cell in ours.cells):
        cells = [cell for cell in ours.cells if cell.shape == shape]
        records = [ours.records[cell.id] for cell in cells]
        tokens = sum(cell.D for cell in cells)
        spent_tokens = sum(r["flops_spent"] for r in records) / shape.training_flops()
        rows.append(
            {
                "N_total": shape.N_total,
                "cells": len(cells),
                "tokens_apart": tokens,
                "tokens_spent": spent_tokens,
                "engine_worker_seconds": sum(r["seconds"] for r in records),
                "loop_seconds": sum(theirs[cell.id].work for cell in cells),
            }
        )
    return {
        "name": ours.grid.name,
        "machine": machine(),
        "cores": len(cores()),
        "engine_seconds": ours.wall,
        "engine_measured_by": ours.how,
        "loop_seconds": loop,
        "loop_start_seconds": starts,
        "loop_measured_by": "full runs" if full else "extrapolated from measured rates",
        "ratio": (loop + starts) / ours.wall,
        "ratio_without_starts": loop / ours.wall,
        "from_shared_trunks": apart / spent,
        "from_speed": (spent / ours.wall) / (apart / loop),
        "shapes": rows,
    }


def show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    table = Table(box=None, pad_edge=False)
    columns = {
        "N_total": "N_total",
        "cells": "cells",
        "tokens_apart": "tokens, one run each",
        "tokens_spent": "with shared trunks",
        "loop_seconds": "loop (a), s",
        "engine_worker_seconds": "engine, worker s",
    }
    for title in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    for row in report["shapes"]:
        table.add_row(*(f"{row[key]:,.0f}" for key in columns))
    console.print(table)
    console.print(
        f"\nstudy {report['name']!r} on {report['machine']}, {report['cores']} used\n"
        f"our engine: {report['engine_seconds']:,.1f} s wall time "
        f"({report['engine_measured_by']})\n"
        f"loop (a):   {report['loop_seconds']:,.1f} s, one run after another "
        f"({report['loop_measured_by']}), and {report['loop_start_seconds']:,.1f} s of starts\n"
        f"ratio: {report['ratio']:.2f}x with the loop's starts, without them "
        f"{report['ratio_without_starts']:.2f}x = "
        f"{report['from_shared_trunks']:.2f}x fewer FLOPs by "
        f"shared trunks x {report['from_speed']:.2f}x more FLOPs a second",
        soft_wrap=True,
    )


def _span(records: Iterable[dict[str, Any]]) -> float:
    records = list(records)
    first = min(datetime.fromisoformat(r["started_at"]) for r in records)
    last = max(datetime.fromisoformat(r["trained_at"]) for r in records)
    return (last - first).total_seconds()


if __name__ == "__main__":
    typer.run(main)
