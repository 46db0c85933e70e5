"""A study through the real command line, killed in every way: it ends as if nothing had happened.

`pytest` runs a short loop of each fault; `pytest -m slow tests/sweep/test_faults.py` the long one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from batteries.executors import workers_of
from batteries.timings import made_up

from scaling import files

GRID = """
name = "faults"
data = { source = "digits", eval_images = 64 }
model = { family = "mlp" }
train = { batch_images = 32, warmup_steps = 4 }
pilots = [{ widths = [8, 16], images = [131072, 524288], seeds = [0, 1] }]
[recovery]
retries = 1000  # a kill is never the cell's fault here
"""
STOP_SECONDS = 10.0
SHORT, LONG = 2, 70
ROUNDS = [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.slow)]


class Study:
    """A folder, the drivers at work on it, and what was finished so far."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.kills = 0
        self._finished: dict[Path, tuple[int, bytes]] = {}

    def start(self) -> subprocess.Popen[str]:
        """A driver of two workers, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "scaling.cli", "run",
             str(self.home / "faults.toml"), "--out", str(self.folder), "--workers", "2"],
            env={**os.environ, "SCALING_CACHE": str(self.home / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )  # fmt: skip

    def finish(self, *drivers: subprocess.Popen[str]) -> None:
        """Undisturbed, to the end."""
        for driver in drivers or (self.start(),):
            told, _ = driver.communicate(timeout=600)
            assert driver.returncode == 0, told
            self.look()

    def look(self) -> int:
        """What is finished stays as it is; how much of it there is."""
        now = {
            path: (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.folder.glob("cells/*/record.json")
        }
        assert self._finished.items() <= now.items(), "a finished cell was trained again"
        self._finished = now
        return len(now)

    def tables(self) -> list[bytes]:
        return [(self.folder / name).read_bytes() for name in ("table.parquet", "table.csv")]

    def left_over(self) -> list[Path]:
        """What `scaling gc` leaves of temporaries, claims and checkpoints."""
        command = [sys.executable, "-m", "scaling.cli", "gc", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        trunks, claims = files.names(self.folder / "trunks"), files.names(self.folder / "claims")
        return [*self.folder.rglob("*.tmp"), *map(Path, trunks), *map(Path, claims)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid, and a cache of timings and compiled programs."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.toml").write_text(GRID)
    made_up(folder / "faults.toml", folder / "cache")
    return folder


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> Study:
    study = Study(home, home / "undisturbed")
    study.finish()
    return study


@pytest.fixture
def study(home: Path, tmp_path: Path) -> Study:
    return Study(home, tmp_path / "study")


Harm = Callable[[subprocess.Popen[str], random.Random], None]


def kill_a_worker(driver: subprocess.Popen[str], rng: random.Random) -> None:
    if workers := workers_of(driver.pid):
        os.kill(rng.choice(workers), signal.SIGKILL)


def kill_the_driver(driver: subprocess.Popen[str], rng: random.Random) -> None:
    driver.kill()


def kill_all(driver: subprocess.Popen[str], rng: random.Random) -> None:
    os.killpg(driver.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("harm", "rounds"),
    [
        # Workers, and drivers, are ended alone by shorter tests.
        (kill_all, SHORT),
        pytest.param(kill_a_worker, LONG, marks=pytest.mark.slow),
        pytest.param(kill_the_driver, LONG, marks=pytest.mark.slow),
        pytest.param(kill_all, LONG, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments_it_ends_with_the_same_table(
    harm: Harm, rounds: int, study: Study, undisturbed: Study
) -> None:
    seed = time.time_ns()
    rng = random.Random(seed)
    driver = study.start()
    for _ in range(rounds):
        time.sleep(rng.uniform(0.0, 5.0))
        if driver.poll() is None:
            harm(driver, rng)
            study.kills += 1
        if harm is not kill_a_worker or driver.poll() is not None:
            driver.communicate(timeout=120)
            study.look()
            driver = study.start()
    study.finish(driver)
    print(f"{harm.__name__}: {study.kills} kills, seed {seed}")
    assert study.kills >= rounds // 2
    assert study.tables() == undisturbed.tables()
    assert study.left_over() == []


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_drivers_share_a_study_and_one_that_dies_is_replaced_by_the_other(
    rounds: int, study: Study, undisturbed: Study
) -> None:
    rng = random.Random(time.time_ns())
    for _ in range(max(1, rounds // 3)):
        one, other = study.start(), study.start()
        time.sleep(rng.uniform(2.0, 9.0))
        os.killpg(one.pid, signal.SIGKILL)
        one.communicate(timeout=120)
        if rng.random() < 0.5:
            os.killpg(other.pid, signal.SIGKILL)
            other.communicate(timeout=120)
        else:
            study.finish(other)
        study.look()
        if study.folder.joinpath("table.csv").exists():
            break
    study.finish(study.start(), study.start())
    assert study.tables() == undisturbed.tables()
    assert study.left_over() == []


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_asked_to_stop_it_checkpoints_and_leaves_within_seconds(
    number: signal.Signals, rounds: int, study: Study, undisturbed: Study
) -> None:
    rng = random.Random(time.time_ns())
    longest = 0.0
    for _ in range(max(1, rounds // 5)):
        driver = study.start()
        assert driver.stdout is not None
        driver.stdout.readline()  # it plans
        if "cells" not in driver.stdout.readline():
            break
        time.sleep(rng.uniform(0.5, 5.0))
        if driver.poll() is not None:
            break
        asked = time.monotonic()
        os.kill(driver.pid, number)
        told, _ = driver.communicate(timeout=60)
        longest = max(longest, time.monotonic() - asked)
        if driver.returncode == 0:
            break  # it had just ended
        assert driver.returncode == 128 + number, told
        assert "the same command goes on from there" in told
        assert "Traceback" not in told
        study.look()
    print(f"{number.name}: left within {longest:.1f} s")
    assert longest < STOP_SECONDS
    study.finish()
    assert study.tables() == undisturbed.tables()
    assert study.left_over() == []


def test_a_worker_that_stands_still_is_ended_and_its_cell_trained(
    study: Study, home: Path, undisturbed: Study
) -> None:
    grid = home / "faults.toml"
    try:
        grid.write_text(GRID + "hang_seconds = 3\n")
        driver = study.start()
        until = time.monotonic() + 60
        while len(workers := workers_of(driver.pid)) < 2 or not files.names(
            study.folder / "claims"
        ):
            assert time.monotonic() < until
            assert driver.poll() is None
            time.sleep(0.05)
        os.kill(workers[0], signal.SIGSTOP)
        study.finish(driver)
    finally:
        grid.write_text(GRID)
    assert study.tables() == undisturbed.tables()
