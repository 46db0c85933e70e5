"""Trackers: what they are told of cells, and what the real ones then hold."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from batteries.trackers import chunk, expected, listening, read, record, wandb_files

from scaling import importers
from scaling.errors import InputError
from scaling.grid import CHUNK_STEPS, Cell, Grid, Section
from scaling.importers.contract import LoggedRun
from scaling.importers.wandb_file import read_file
from scaling.sweep import trackers
from scaling.sweep.executors.debug import Debug
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store
from scaling.sweep.trackers import tracking
from scaling.sweep.trackers.contract import Point, Run
from scaling.sweep.trackers.tracking import Tracking
from scaling.train.log import Log

STUDY = "two trunks"


@dataclass
class Recorder:
    """A tracker that keeps what it is told; fails: from which call on."""

    fails: str = ""
    runs: list[tuple[Run, list[Point], list[Any]]] = field(default_factory=list)
    wait: threading.Event | None = None

    NAME = NEEDS = "recorder"
    Settings = Section

    def begin(self, settings: Any, run: Run) -> Any:
        if self.wait is not None:
            self.wait.wait()
        if self.fails == "begin":
            raise OSError("No space left on device")
        points: list[Point] = []
        ends: list[Any] = []
        self.runs.append((run, points, ends))

        def log(more: Sequence[Point]) -> None:
            if self.fails == "log":
                raise RuntimeError("no network\nwith a long story")
            points.extend(more)

        def end(how: str, summary: Mapping[str, Any]) -> None:
            ends.append((how, dict(summary)))

        return SimpleNamespace(log=log, end=end)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "EVERY_SECONDS", 0.01)


@pytest.fixture
def trunk(cells: list[Cell]) -> list[Cell]:
    """The two cells of one trunk, of four and eight chunks of steps; a fifth of them cools down."""
    own = [cell for cell in cells if cell.trunk == cells[0].trunk]
    assert [cell.steps // CHUNK_STEPS for cell in own] == [4, 8]
    return own


def follow(recorder: Recorder, cells: list[Cell], warn: tracking.Warn = print) -> Tracking:
    return Tracking({"recorder": (recorder, Section())}, STUDY, cells, warn)


def grow(follows: Tracking, trunk: str, log: Log, until: int, seed: int = 0) -> Log:
    """The log, chunk by chunk, up to so many steps."""
    for first in range(len(log.chunks) * CHUNK_STEPS, until, CHUNK_STEPS):
        log.chunks.append(chunk(first, seed))
        follows.chunk(trunk, log)
    return log


def finish(follows: Tracking, cell: Cell, log: Log, seed: int, status: str = "finished") -> Log:
    """A branch from the trunk as it is, to the cell's end."""
    branch = grow(follows, cell.trunk, log.copy(), cell.steps, seed)
    follows.cell(cell, record(cell, status), branch)
    return branch


def test_a_trunk_is_told_of_the_cell_that_is_trained_next(trunk: list[Cell]) -> None:
    recorder, log = Recorder(), Log()
    first, second = trunk
    with follow(recorder, trunk) as follows:
        grow(follows, first.trunk, log, 3 * CHUNK_STEPS)
        log.held_out[2 * CHUNK_STEPS] = 1.75
        short = finish(follows, first, log, seed=1)
        grow(follows, first.trunk, log, 6 * CHUNK_STEPS)
        long = finish(follows, second, log, seed=2)
    assert [run.id for run, _, _ in recorder.runs] == [first.id, second.id]
    for (run, points, ends), cell, branch in zip(recorder.runs, trunk, (short, long), strict=True):
        assert run.study == STUDY
        assert run.config["D"] == cell.D
        assert run.config["model.depth"] == 1
        assert run.config["train.warmup_steps"] == 4
        told: dict[str, list[tuple[int, float]]] = {}
        for step, values in points:
            for name, value in values.items():
                told.setdefault(name, []).append((step, value))
        assert told == expected(branch.chunks, log.held_out, cell.steps)
        ((how, summary),) = ends
        assert how == "finished"
        assert summary["loss"] == 1.5
        assert summary["status"] == "finished"


def test_what_is_rewound_or_resumed_is_told_anew(trunk: list[Cell]) -> None:
    recorder, log = Recorder(), Log()
    cell = trunk[0]
    with follow(recorder, [cell]) as follows:
        grow(follows, cell.trunk, log, 3 * CHUNK_STEPS)
        del log.chunks[1:]  # back to the first chunk, and on with other batches
        finish(follows, cell, log, seed=7)
    (_, before, left), (_, after, ends) = recorder.runs
    assert [step for step, _ in before] == [16, 32, 48]
    assert left == [("left", {})]
    assert [step for step, values in after if "loss" in values] == [16, 32, 48, 64]
    assert ends[0][0] == "finished"


def test_an_interrupted_run_is_let_go(trunk: list[Cell]) -> None:
    recorder = Recorder()

    def interrupted() -> None:
        with follow(recorder, trunk) as follows:
            grow(follows, trunk[0].trunk, Log(), CHUNK_STEPS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ((_, points, ends),) = recorder.runs
    assert len(points) == 1
    assert ends == [("left", {})]


def test_a_cell_that_was_given_up_has_failed(trunk: list[Cell]) -> None:
    recorder = Recorder()
    with follow(recorder, trunk) as follows:
        follows.cell(trunk[0], record(trunk[0], "failed"), None)
    ((_, points, ends),) = recorder.runs
    assert not points
    assert ends[0][0] == "failed"


@pytest.mark.parametrize("fails", ["begin", "log"])
def test_a_tracker_that_fails_is_switched_off_with_one_warning(
    trunk: list[Cell], fails: str
) -> None:
    broken, sound, warnings = Recorder(fails=fails), Recorder(), list[tuple[str, str]]()
    boards: dict[str, Any] = {"broken": (broken, Section()), "sound": (sound, Section())}
    with Tracking(boards, STUDY, trunk, lambda *told: warnings.append(told)) as follows:
        for cell in trunk:
            finish(follows, cell, Log(), seed=1)
    ((name, warning),) = warnings
    assert name == "broken"
    assert warning.startswith("tracker broken is switched off: ")
    assert "story" not in warning
    assert len(sound.runs) == 2


def test_a_tracker_that_hangs_delays_nothing_but_the_end(
    trunk: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "END_SECONDS", 0.1)
    released = threading.Event()
    warnings = list[str]()
    recorder = Recorder(wait=released)
    follows = follow(recorder, trunk, lambda name, told: warnings.append(told))
    finish(follows, trunk[0], Log(), seed=1)
    follows.close(0.1)
    assert warnings == ["tracker recorder is switched off: it had not ended after 0.1 s"]
    released.set()


def test_without_trackers_nothing_runs(trunk: list[Cell]) -> None:
    threads = threading.active_count()
    with trackers.follow({}, STUDY, trunk, print) as follows:
        finish(follows, trunk[0], Log(), seed=1)
        assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("specs", "told"),
    [
        ({"tensorbord": {}}, "no tracker called 'tensorbord'; valid: mlflow, tensorboard, trackio, "
         "wandb; did you mean 'tensorboard'"),
        ({"wandb": {"mood": "online"}}, r"tracker wandb: mood: unknown option; did you mean "
         r"'mode'\? valid: mode, project, entity, folder"),
        ({"wandb": {"mode": "loud"}}, r"tracker wandb: mode: Input should be .*\(given 'loud'\)"),
        ({"wandb": {"api_key": "s3cret"}}, "tracker wandb: api_key: credentials don't belong"),
        ({"mlflow": {"uri": "https://me:s3cret@host"}}, "tracker mlflow: uri: an address with a"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_trained(
    specs: dict[str, dict[str, Any]], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told) as error:
        trackers.ready(specs, tmp_path)
    assert "s3cret" not in str(error.value)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tracker wandb: pip install 'scaling-laws\[trackers\]'"):
        trackers.ready({"wandb": {}}, tmp_path)


def test_a_study_at_an_address_needs_a_folder_for_files() -> None:
    with pytest.raises(InputError, match="the study lies at memory://study: give it a folder"):
        trackers.ready({"tensorboard": {}}, "memory://study")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No way out of this process, and no way in."""

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            raise OSError(f"a tracker calls {address}")
        connect(self, address)

    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = listening()
    yield
    assert listening() == before


@pytest.fixture(scope="module")
def trackio_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trackio reads its folder once, at the import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(tmp_path_factory.mktemp("trackio")))
        yield


def trained_in_two_starts(specs: dict[str, Any], folder: Path, cells: list[Cell]) -> list[Log]:
    """A trunk's two cells; the worker is killed in the second, and starts again from a checkpoint
    of two chunks before."""
    complete, log, first, second = trackers.ready(specs, folder), Log(), *cells
    warnings: list[str] = []
    with trackers.follow(complete, STUDY, cells, warnings.append) as follows:
        grow(follows, first.trunk, log, 3 * CHUNK_STEPS)
        short = finish(follows, first, log, seed=1)
        log.held_out[3 * CHUNK_STEPS] = 1.75
        grow(follows, first.trunk, log, 6 * CHUNK_STEPS)
    resumed = Log(chunks=log.chunks[:4], held_out=dict(log.held_out))
    with trackers.follow(complete, STUDY, [second], warnings.append) as follows:
        grow(follows, first.trunk, resumed, 6 * CHUNK_STEPS)
        long = finish(follows, second, resumed, seed=2)
    assert not warnings
    return [short, long]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "trackio"])
@pytest.mark.usefixtures("offline", "trackio_folder")
def test_real_trackers_hold_each_cell_once(name: str, trunk: list[Cell], tmp_path: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not here: pip install 'scaling-laws[trackers]'")
    logs = trained_in_two_starts({name: {}}, tmp_path, trunk)
    stored = read(name, tmp_path, STUDY)
    assert set(stored) == {cell.id for cell in trunk}
    for cell, log in zip(trunk, logs, strict=True):
        run = stored[cell.id]
        assert str(run.config["run"]) == cell.id
        assert float(run.config["D"]) == cell.D
        assert run.status == "finished"
        assert run.how in ("STATUS_SUCCESS", "FINISHED", "finished")
        wanted = expected(log.chunks, log.held_out, cell.steps)
        assert set(run.curve) == set(wanted)
        for key, points in wanted.items():
            steps, values = zip(*sorted(run.curve[key]), strict=True)
            assert steps == tuple(step for step, _ in points)
            assert values == pytest.approx([value for _, value in points], rel=1e-6)
    # And as `scaling import` reads it.
    source: object = tmp_path / "trackers" / name
    if name == "trackio":  # wherever it was when it was first imported
        from trackio import sqlite_storage

        source = sqlite_storage.TRACKIO_DIR
    runs = [run for run in importers.get(name).read(str(source)) if run.config["study"] == STUDY]
    imported_as_told(runs, trunk, logs)


@pytest.mark.usefixtures("offline")
def test_wandb_offline_holds_each_cell_once(trunk: list[Cell], tmp_path: Path) -> None:
    if find_spec("wandb") is None:
        pytest.skip("wandb is not here: pip install 'scaling-laws[trackers]'")
    logs = trained_in_two_starts({"wandb": {}}, tmp_path, trunk)
    files = wandb_files(tmp_path)
    assert set(files) == {cell.id for cell in trunk}
    for cell in trunk:
        # Its own process writes the file, and not before a run's end.
        until = time.monotonic() + 60
        while read_file(files[cell.id]).ended != "finished" and time.monotonic() < until:
            time.sleep(0.05)
    runs = list(importers.get("wandb").read(str(tmp_path)))
    assert all(run.final["final/status"] == "finished" for run in runs)
    imported_as_told(runs, trunk, logs)


def imported_as_told(runs: Sequence[LoggedRun], trunk: list[Cell], logs: list[Log]) -> None:
    """The curves of each cell, by its importer."""
    by_cell = {str(run.config["run"]): run for run in runs}
    assert len(by_cell) == len(runs) == len(trunk)
    for cell, log in zip(trunk, logs, strict=True):
        run = by_cell[cell.id]
        assert run.config["D"] == cell.D
        for key, points in expected(log.chunks, log.held_out, cell.steps).items():
            there = ~np.isnan(run.history[key])
            told = dict(zip(run.history["step"][there], run.history[key][there], strict=True))
            assert told == pytest.approx(dict(points), rel=1e-6)


@pytest.mark.usefixtures("offline")
def test_a_full_or_forbidden_disk_is_told_and_survived(trunk: list[Cell], tmp_path: Path) -> None:
    (tmp_path / "trackers").write_text("a file where a folder should be")
    warnings: list[str] = []
    specs = trackers.ready({"tensorboard": {}, "mlflow": {}}, tmp_path)
    with trackers.follow(specs, STUDY, trunk, warnings.append) as follows:
        finish(follows, trunk[0], Log(), seed=1)
    assert sorted(w.partition(":")[0] for w in warnings) == [
        "tracker mlflow is switched off", "tracker tensorboard is switched off",
    ]  # fmt: skip
    # Nor is it tried again, and told again, for the next cells of this process.
    with trackers.follow(specs, STUDY, trunk, warnings.append) as follows:
        finish(follows, trunk[1], Log(), seed=1)
    assert len(warnings) == 2


def test_a_trained_trunk_is_told_as_it_is_stored(
    cells: list[Cell], grid: Grid, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    own, store = [c for c in cells if c.trunk == cells[0].trunk], Store(tmp_path)
    specs = trackers.ready({"tensorboard": {}}, tmp_path)
    train(own, grid.data, store, Debug(), timings={}, study=STUDY, trackers=specs)
    stored = read("tensorboard", tmp_path, STUDY)
    assert set(stored) == {cell.id for cell in own}
    for cell in own:
        curve, record = store.curve(cell.id), store.record(cell.id)
        assert record is not None
        for name in ("loss", "grad_norm", "learning_rate"):
            told = list(zip(curve["step"], curve[name].astype(float), strict=True))
            assert stored[cell.id].curve[name] == told
        ((last, loss),) = stored[cell.id].curve["held_out"]
        assert (last, loss) == (cell.steps, pytest.approx(record["loss"], rel=1e-6))
        assert stored[cell.id].status == "finished"
