"""The live display of a sweep: cells done, loss, tokens/s (images/s), time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scaling.amounts import clock as clock
from scaling.grid import Cell
from scaling.sweep.planning.plan import CellCost
from scaling.sweep.work import Trained


@contextmanager
def display(
    console: Console, title: str, cells: list[Cell], known: dict[str, CellCost]
) -> Iterator[Callable[[Trained], None]]:
    """Shows progress on a terminal; prints a line a finished cell when piped."""
    by_trunk = {cell.trunk: cell for cell in cells}
    work = {cell.id: known[cell.id].flops for cell in cells}
    total, began = sum(work.values()), time.monotonic()
    state = {"flops": 0.0, "seen": 0.0, "cells": 0}
    warned: set[str] = set()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[cells]} cells  loss {task.fields[loss]}"),
        TextColumn("{task.fields[rate]} {task.fields[unit]}s/s  {task.fields[left]} left"),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    task = progress.add_task(
        title,
        total=total,
        cells=f"0/{len(cells)}",
        loss="-",
        rate="-",
        left="-",
        unit=cells[0].unit,
    )

    def on_event(event: Trained) -> None:
        cell = by_trunk[event.trunk]
        seen = event.steps * cell.batch
        state["seen"] += seen
        state["flops"] += seen * cell.shape.training_flops()
        spent = time.monotonic() - began
        if event.warning not in {"", *warned}:  # each worker may say the same
            warned.add(event.warning)
            console.print(f"  {event.warning}", highlight=False, soft_wrap=True)
        for finding in event.findings:
            console.print(f"  {_name(cell)}: {finding}", highlight=False, soft_wrap=True)
        if event.record is not None:
            state["cells"] += 1
            _finished(console, event.record, int(state["cells"]), len(cells))
        left = spent * (total / state["flops"] - 1) if state["flops"] else 0.0
        progress.update(
            task,
            completed=min(total, state["flops"]),
            cells=f"{int(state['cells'])}/{len(cells)}",
            loss=f"{event.loss:.3f}",
            rate=f"{state['seen'] / max(spent, 1e-9):,.0f}",
            left=clock(left),
        )

    with progress:
        yield on_event


def _name(cell: Cell) -> str:
    return f"{cell.family} N {cell.shape.N:,} seed {cell.seed}"


def _finished(console: Console, record: dict[str, Any], done: int, total: int) -> None:
    told = []
    if record["status"] in ("finished", "recovered"):
        told.append(f"loss {record['loss']:.4f} ± {record['loss_se']:.4f}")
    if record["status"] != "finished":
        told.append(f"{record['status']}: {record['reason']}")
    outcome = ", ".join(told)
    console.print(
        f"  {done:>3}/{total}  {record['role']:<6}  N {record['N']:>9,}  D {record['D']:>12,}  "
        f"seed {record['seed']:<4} {outcome}  {record['seconds']:.1f} s",
        highlight=False,
    )
