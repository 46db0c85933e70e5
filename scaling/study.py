"""The whole story on one page: run the pilots, fit, forecast, train the targets, prove."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from scaling import adaptive, files
from scaling.errors import InputError
from scaling.forecast import proof
from scaling.grid import Cell, canonical_json
from scaling.planned import Planned
from scaling.sweep import trackers, tuning
from scaling.sweep.executors.contract import Executor
from scaling.sweep.planning.plan import CellCost, costs
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store

Show = Callable[[str, list[Cell], dict[str, CellCost]], AbstractContextManager[Any]]


def run_study(
    planned: Planned,
    grid_path: Path,
    folder: files.Place | str,
    *,
    start: Callable[[], Executor],
    show: Show = lambda title, cells, known: nullcontext(lambda event: None),
    adapt: adaptive.Asked | None = None,
    tell: Callable[[str], None] = lambda told: None,
) -> pd.DataFrame:
    """Train what is not yet done and write the run table; targets only after their forecast.

    start: the executor, asked for once there is something to train. adapt: choose the pilots in
    rounds, until that is reached; tell: how that goes, line by line. Safe to interrupt, to call
    again, and to call several times at once: finished cells and a written forecast stay as they
    are. Raises `stopping.Stopped` where the process is asked to stop.
    """
    store = Store(folder)
    if files.in_memory(store.folder) and planned.grid.executor.name != "debug":
        raise InputError(
            f"{store.folder}: no other process sees this one's memory; choose another --out, or "
            "--executor debug, which trains in this process"
        )
    boards = trackers.ready(planned.grid.trackers, store.folder)
    grid_text = grid_path.read_text(encoding="utf-8")
    planned = planned.at_rates(store.folder)
    store.open(planned.grid, grid_text, _facts(planned), planned.known)
    with ExitStack() as stack:
        executor = cache(lambda: stack.enter_context(start()))
        train_part = partial(_train, planned, store, executor, boards, show)
        if planned.rungs:
            tuning.find(planned.rungs, store.folder, partial(_tried, store, train_part))
            planned = planned.at_rates(store.folder)
            # Ids follow the rates that were found: that is no change of the grid.
            store.open(planned.grid, grid_text, _facts(planned), planned.known, tell=False)
            train_part = partial(_train, planned, store, executor, boards, show)
        return _run(planned, store, train_part, adapt, tell)


def prove(folder: files.Place | str) -> list[proof.Verdict]:
    """Forecast against truth for every target of a study's folder."""
    store = Store(folder)
    store.must_be()
    forecast = proof.read(store.folder / "forecast.json")
    ids = [target["cell"] for target in forecast["targets"]]
    records = {run: record for run in ids if (record := store.read(run)) is not None}
    return proof.verdicts(forecast, records)


def _run(
    planned: Planned,
    store: Store,
    train_part: Callable[..., None],
    adapt: adaptive.Asked | None,
    tell: Callable[[str], None],
) -> pd.DataFrame:
    pilots, targets = planned.part("pilot"), planned.part("target")
    if adapt is None:
        train_part(pilots, "pilots")
    else:
        pilots = adaptive.train_pilots(planned, store, adapt, train_part, tell)
    if not targets:
        return store.write_table(pilots)
    written = store.folder / "forecast.json"
    trained = store.statuses(targets)  # before the forecast is looked for: another may write it now
    if not files.exists(written):
        table = store.write_table(pilots)
        if trained:
            raise InputError(
                f"{store.folder}: target {next(iter(trained))} was trained before any forecast was "
                "written; choose another folder"
            )
        table.attrs["source"] = str(store.folder / "table.parquet")
        grid, goals = planned.grid, [target.facts() for target in targets]
        forecast = proof.forecast_targets(table, goals, grid.proof, grid.rivals)
        proof.write_once(written, forecast)
    train_part(targets, "targets")
    return store.write_table(planned.cells)


def _tried(
    store: Store, train_part: Callable[[list[Cell], str], None], cells: list[Cell]
) -> dict[str, dict[str, Any]]:
    """The records of cells that a learning rate is tuned on, once they are trained."""
    train_part(cells, "tuning")
    return store.finished(cells)


def _train(
    planned: Planned,
    store: Store,
    executor: Callable[[], Executor],
    boards: trackers.Specs,
    show: Show,
    cells: list[Cell],
    title: str,
    keep: Collection[str] = (),
) -> None:
    done = store.done(cells)
    left = [cell for cell in cells if cell.id not in done]
    if not left:
        return
    # Which cells tuning takes, and rounds, is only known as they go.
    known = planned.known if title in ("pilots", "targets") else costs(cells, planned.timings)
    with show(title, left, known) as on_event:
        train(
            cells,
            planned.grid.data,
            store,
            executor(),
            timings=planned.timings,
            on_event=on_event,
            study=planned.grid.name,
            trackers=boards,
            keep=keep,
        )


def _facts(planned: Planned) -> dict[str, Any]:
    """What `study.json` says beside the name: enough to know what was run, and where."""
    grid = planned.grid.model_dump()
    versions = {"python": platform.python_version()}
    for package in ("scaling-laws", "jax", "flax", "optax", "numpy", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "grid": grid,
        "grid_sha256": hashlib.sha256(canonical_json(planned.grid.asked()).encode()).hexdigest(),
        "data": planned.data.facts,
        "cells": [cell.id for part in (*planned.tuning, planned.cells) for cell in part],
        "tuning": [cell.id for part in planned.tuning for cell in part],
        "versions": versions,
    }
