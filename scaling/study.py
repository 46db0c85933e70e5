"""The whole story on one page: plan, run the pilots, fit, forecast, train the targets, prove."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from scaling import devices, files
from scaling.data import Corpus, Images, Pairs
from scaling.devices import Device, Platform
from scaling.errors import InputError
from scaling.forecast import proof
from scaling.grid import (
    AnyData,
    Cell,
    Grid,
    Place,
    Rung,
    canonical_json,
    load_grid,
    open_data,
    plan,
    rungs,
    to_tune,
    unit_of,
)
from scaling.sweep import data_sheet, executors, trackers, tuning
from scaling.sweep.executors import local
from scaling.sweep.executors.contract import Executor, Options
from scaling.sweep.plan import CellCost, by_length, costs
from scaling.sweep.run import calibrate, train
from scaling.sweep.schedule import Task, schedule
from scaling.sweep.store import Store

Show = Callable[[str, list[Cell], dict[str, CellCost]], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Planned:
    """A study before anything of it is trained."""

    grid: Grid
    data: AnyData
    cells: list[Cell]
    timings: dict[str, dict[str, float]]
    known: dict[str, CellCost]
    settings: Options  # of its executor
    on: Platform  # the kind of device that it is planned for
    # Where `learning_rate = "tune"` is still to be found, and the cells of each round of that: as
    # they may come, or, once it was found, as they were.
    rungs: list[Rung] = field(default_factory=list)
    tuning: list[list[Cell]] = field(default_factory=list)

    def start(self, workers: int | None) -> Executor:
        """The grid's executor, ready."""
        place, hang_seconds = self.grid.executor, self.grid.recovery.hang_seconds
        return executors.start(
            place.name, place.options, workers=workers, hang_seconds=hang_seconds
        )

    def shown_by(self, names: Iterable[str]) -> Planned:
        """The same study with these trackers, too."""
        trackers = {**{name: {} for name in names}, **self.grid.trackers}
        return replace(self, grid=self.grid.model_copy(update={"trackers": trackers}))

    def at_rates(self, folder: files.Place) -> Planned:
        """The same study at the learning rates that were tuned in its folder, if they were."""
        answers = tuning.kept(folder) if self.rungs else None
        if answers is None:
            return self
        rates = tuning.tuned(answers, self.rungs)
        cells = plan(self.grid, self.data, self.on, rates)
        rounds = tuning.trained(answers, self.rungs)
        known = _costs(rounds, cells, self.timings, self.on)
        return replace(self, cells=cells, known=known, rungs=[], tuning=rounds)

    def of(self, grid: Grid) -> Planned:
        """The plan of a part of its grid."""
        cells = plan(grid, self.data, self.on)
        asked = rungs(to_tune(grid, self.data, self.on), grid.tune)
        rounds = [cells for rung in asked for cells in tuning.provisional(rung)]
        known = _costs(rounds, cells, self.timings, self.on)
        return replace(self, grid=grid, cells=cells, known=known, rungs=asked, tuning=rounds)

    @property
    def streamed(self) -> bool:
        """Whether training items stay on the host, a batch of them on the device at a time."""
        return not isinstance(self.data, Corpus | Images | Pairs)

    @property
    def parts(self) -> list[tuple[str, list[Cell]]]:
        """What is trained one after another, by name; no part is empty."""
        rounds = [(f"tuning {number}", cells) for number, cells in enumerate(self.tuning, 1)]
        named = [*rounds, ("pilots", self.part("pilot")), ("targets", self.part("target"))]
        return [(name, cells) for name, cells in named if cells]

    def part(self, role: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.role == role]

    def wall_seconds(self, workers: int) -> float | None:
        """Predicted training time: each round of tuning, pilots, then targets; None where not
        calibrated."""
        if any(cost.seconds is None for cost in self.known.values()):
            return None
        return sum(
            schedule([Task(seconds) for seconds in by_length(part, self.known)[1]], workers).seconds
            for _, part in self.parts
        )


def plan_study(
    grid_path: Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    measure: bool = True,
    device: Device | None = None,
    place: Place | None = None,
) -> Planned:
    """Resolve a grid into cells with their costs; `measure` calibrates shapes not yet known, where
    its executor runs on this machine.

    device: of the catalogue, that it is planned for by its data sheet, by default the executor's
    own; place: an executor instead of the grid's.
    """
    grid = load_grid(grid_path).with_seed(seed)
    if place is not None:
        grid = grid.model_copy(update={"executor": place})
    try:
        settings = executors.settings(grid.executor.name, grid.executor.options)
        on = device.platform if device else settings.platform or devices.platform()
        data = open_data(grid.data, unit_of(grid.families))
        cells = plan(grid, data, on)
        proof.check(grid.proof, cells, grid.rivals)
        asked = rungs(to_tune(grid, data, on), grid.tune)
    except InputError as error:
        raise InputError(f"{grid_path}: {error}") from None
    timings: dict[str, dict[str, float]] = {}
    if device is not None:
        timings = data_sheet.timings(cells, device)
    elif measure and not settings.elsewhere:
        timings = calibrate(cells, grid.data, lambda: local.Local(workers, math.inf))
    rounds = [cells for rung in asked for cells in tuning.provisional(rung)]
    known = _costs(rounds, cells, timings, on)
    return Planned(grid, data, cells, timings, known, settings, on, asked, rounds)


def run_study(
    planned: Planned,
    grid_path: Path,
    folder: files.Place | str,
    *,
    start: Callable[[], Executor],
    show: Show = lambda title, cells, known: nullcontext(lambda event: None),
) -> pd.DataFrame:
    """Train what is not yet done and write the run table; targets only after their forecast.

    start: the executor, asked for once there is something to train. Safe to interrupt, to call
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
        return _run(planned, store, train_part)


def _costs(
    rounds: Iterable[list[Cell]],
    cells: list[Cell],
    timings: dict[str, dict[str, float]],
    on: Platform,
) -> dict[str, CellCost]:
    """Of all cells. A round's trunks are its own: they are gone when the next one begins."""
    parts = [costs(part, timings, on) for part in (*rounds, cells)]
    return {run: cost for part in parts for run, cost in part.items()}


def prove(folder: files.Place | str) -> list[proof.Verdict]:
    """Forecast against truth for every target of a study's folder."""
    store = Store(folder)
    store.must_be()
    forecast = proof.read(store.folder / "forecast.json")
    ids = [target["cell"] for target in forecast["targets"]]
    records = {run: record for run in ids if (record := store.read(run)) is not None}
    return proof.verdicts(forecast, records)


def _run(
    planned: Planned, store: Store, train_part: Callable[[list[Cell], str], None]
) -> pd.DataFrame:
    pilots, targets = planned.part("pilot"), planned.part("target")
    train_part(pilots, "pilots")
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
) -> None:
    done = store.done(cells)
    left = [cell for cell in cells if cell.id not in done]
    if not left:
        return
    # Which cells tuning takes is only known as it goes.
    known = costs(cells, planned.timings) if title == "tuning" else planned.known
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
