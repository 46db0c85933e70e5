"""A study before anything of it is trained: its grid resolved into cells, with what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

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
    load_grid,
    open_data,
    plan,
    rungs,
    to_tune,
    unit_of,
)
from scaling.sweep import executors, tuning
from scaling.sweep.calibrate import calibrate
from scaling.sweep.executors import local
from scaling.sweep.executors.contract import Executor, Options
from scaling.sweep.planning import data_sheet
from scaling.sweep.planning.capacity import memory_here, needed, too_large
from scaling.sweep.planning.plan import CellCost, by_length, costs
from scaling.sweep.planning.schedule import Task, schedule


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
    room: float | None  # bytes that a run can have on one device; None where it is not known
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

    def timed(self, workers: int | None, done: Callable[[], Container[str]] = tuple) -> Planned:
        """The same study with the time that each shape takes, where its executor runs here: shapes
        that are new to this machine are measured. done: cells that are not to be trained; asked
        for where a shape is new."""
        if self.settings.elsewhere:
            return self
        large = {cell.id for cell in self.large}  # these would fail here as in a run
        fitting = [cell for cell in self.cells if cell.id not in large]
        # One worker a GPU, as in a run: two would take each other's memory and time.
        start = partial(local.Local, workers, math.inf, gpus=devices.local_gpus())
        return self.at_times(calibrate(fitting, self.grid.data, start, done=done))

    def at_times(self, timings: dict[str, dict[str, float]]) -> Planned:
        """The same study with these timings."""
        known = _costs(self.tuning, self.cells, timings, self.on)
        return replace(self, timings=timings, known=known)

    def of(self, grid: Grid) -> Planned:
        """The plan of a part of its grid."""
        cells = plan(grid, self.data, self.on)
        asked = rungs(to_tune(grid, self.data, self.on), grid.tune)
        rounds = [cells for rung in asked for cells in tuning.provisional(rung)]
        known = _costs(rounds, cells, self.timings, self.on)
        return replace(self, grid=grid, cells=cells, known=known, rungs=asked, tuning=rounds)

    @property
    def large(self) -> list[Cell]:
        """The cells that no device has the memory for, as far as that is known."""
        if self.room is None:
            return []
        return too_large(self.cells, self.known, self.room, streamed=_streamed(self.data))

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
        planned = plan_grid(grid, device)
    except InputError as error:
        raise InputError(f"{grid_path}: {error}") from None
    return planned.timed(workers) if measure and device is None else planned


def plan_grid(grid: Grid, device: Device | None = None, data: AnyData | None = None) -> Planned:
    """A grid's cells with their costs; with times, where it is planned for a device of the
    catalogue. data: the grid's, where it is open."""
    settings = executors.settings(grid.executor.name, grid.executor.options)
    on = device.platform if device else settings.platform or devices.platform()
    data = open_data(grid.data, unit_of(grid.families)) if data is None else data
    cells = plan(grid, data, on)
    proof.check(grid.proof, cells, grid.rivals)
    asked = rungs(to_tune(grid, data, on), grid.tune)
    rounds = [cells for rung in asked for cells in tuning.provisional(rung)]
    known = _costs(rounds, cells, {}, on)
    room = device.memory_bytes if device else _room(settings, known, data)
    planned = Planned(grid, data, cells, {}, known, settings, on, room, asked, rounds)
    return planned if device is None else planned.at_times(data_sheet.timings(cells, device))


def _room(settings: Options, known: Mapping[str, CellCost], data: AnyData) -> float | None:
    """Bytes that a run can have on one device where the executor's workers are, if it is known."""
    if settings.elsewhere:
        return None
    return memory_here(max(needed(cost, streamed=_streamed(data)) for cost in known.values()))


def _streamed(data: AnyData) -> bool:
    """Whether training items stay on the host, but for a batch of them."""
    return not isinstance(data, Corpus | Images | Pairs)


def _costs(
    rounds: Iterable[list[Cell]],
    cells: list[Cell],
    timings: dict[str, dict[str, float]],
    on: Platform,
) -> dict[str, CellCost]:
    """Of all cells. A round's trunks are its own: they are gone when the next one begins."""
    parts = [costs(part, timings, on) for part in (*rounds, cells)]
    return {run: cost for part in parts for run, cost in part.items()}
