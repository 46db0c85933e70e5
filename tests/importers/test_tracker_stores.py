"""MLflow's stores and Trackio's databases: what their own libraries wrote; damaged, and as they
are while somebody writes."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batteries.importers import MadeRun, made
from batteries.tracker_writers import log_to_mlflow
from batteries.tracker_writers import mlflow as write_mlflow
from batteries.tracker_writers import trackio as write_trackio

from scaling.errors import InputError
from scaling.importers import mlflow, trackio
from scaling.importers.contract import LoggedRun

# Tables of a store that MLflow 3.17.2 made: making them takes MLflow itself seconds.
SCHEMA = Path(__file__).parent / "files" / "mlflow" / "store.sql"
RUNS = [made("größe"), replace(made("b", loss=2.0, seed=1), finished=False)]


def database(path: Path, runs: Sequence[MadeRun]) -> Path:
    """A store with these runs, an experiment each."""
    with sqlite3.connect(path) as store:
        store.executescript(SCHEMA.read_text(encoding="utf-8"))
        for index, run in enumerate(runs, 1):
            store.execute(
                "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (?, ?, ?)",
                (index, f"of {run.name}", "active"),
            )
            store.execute(
                "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, "
                "experiment_id) VALUES (?, ?, ?, ?, 'active', ?)",
                (run.name, run.name, "FINISHED" if run.finished else "FAILED", 1000 * index, index),
            )
            for key, value in run.config.items():
                store.execute("INSERT INTO params VALUES (?, ?, ?)", (key, str(value), run.name))
            for step, loss, held_out in run.points:
                for key, value in (("train/loss", loss), ("val/loss", held_out)):
                    none, kept = math.isnan(value), 0.0 if math.isnan(value) else value
                    store.execute(
                        "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
                        (key, kept, 1000 + step, run.name, step, none),
                    )
    store.close()
    return path


def same(run: LoggedRun, logged: MadeRun) -> None:
    steps, losses, held_out = (list(each) for each in zip(*logged.points, strict=True))
    assert run.history["step"].tolist() == steps
    np.testing.assert_array_equal(run.history["train/loss"], losses)
    np.testing.assert_array_equal(run.history["val/loss"], held_out)
    assert {key: run.config[key] for key in logged.config} == dict(logged.config)
    assert run.ended == ("finished" if logged.finished else "crashed")


def test_mlflows_database_and_files_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'scaling-laws[trackers]'")
    stored = list(mlflow.read(str(database(tmp_path / "mlflow.db", RUNS))))
    files = list(mlflow.read(write_mlflow(tmp_path / "mlruns", RUNS)))
    by_name = {run.name: run for run in files}
    for run, logged in zip(stored, RUNS, strict=True):
        same(run, logged)
        same(by_name[run.name], logged)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own calls of SQLAlchemy
def test_a_database_that_mlflow_made_has_these_tables_and_reads_the_same(tmp_path: Path) -> None:
    for name in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(name, reason=f"needs {name}: pip install 'scaling-laws[dev]'")
    path = tmp_path / "mlflow.db"
    log_to_mlflow(f"sqlite:///{path}", RUNS)
    assert mlflow.recognises(str(path))
    by_name = {run.name: run for run in mlflow.read(str(path))}
    for logged in RUNS:
        same(by_name[logged.name], logged)
    with sqlite3.connect(path) as made_now, sqlite3.connect(":memory:") as committed:
        committed.executescript(SCHEMA.read_text(encoding="utf-8"))
        for (table,) in committed.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            columns = f"PRAGMA table_info({table})"
            assert [row[1:3] for row in made_now.execute(columns)] == [
                row[1:3] for row in committed.execute(columns)
            ]
    made_now.close()
    committed.close()


def test_experiments_are_chosen_by_name(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db", RUNS)
    sources = (str(path), f"mlflow:{path}", f"sqlite:///{path}", str(tmp_path))
    for source in (f"{each}#of b" for each in sources):
        (run,) = mlflow.read(source)
        assert run.name == "b"
        assert run.config["mlflow.experiment"] == "of b"
    with pytest.raises(InputError, match="no experiment 'c'; there are: of b, of größe"):
        list(mlflow.read(f"{path}#c"))


def test_what_was_logged_once_at_the_end_without_a_step_is_the_runs(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db", [made("a")])
    with sqlite3.connect(path) as store:
        for key, time in (("final/loss", 9000), ("first/loss", 10)):
            store.execute("INSERT INTO metrics VALUES (?, 2.5, ?, 'a', 0, 0)", (key, time))
    store.close()
    (run,) = mlflow.read(str(path))
    assert run.final == {"final/loss": 2.5}
    assert run.history["step"][0] == 0
    assert run.history["first/loss"][0] == 2.5


def test_deleted_runs_and_the_machines_own_metrics_are_gone(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db", RUNS)
    with sqlite3.connect(path) as store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'b'")
        largest = np.finfo(float).max
        for key, value, step in (
            ("system/cpu", 5.0, 1),
            ("high", largest, 5),
            ("low", -largest, 5),
        ):
            store.execute(
                "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)", (key, value, 9000, "größe", step)
            )
        store.execute("INSERT INTO tags VALUES ('note', 'words', 'größe')")
        store.execute("INSERT INTO tags VALUES ('mlflow.user', 'me', 'größe')")
    store.close()
    (run,) = mlflow.read(str(path))
    assert "system/cpu" not in run.history
    # MLflow keeps infinity as the largest number.
    assert (run.history["high"][0], run.history["low"][0]) == (math.inf, -math.inf)
    assert run.final == {"note": "words"}


def test_what_mlflow_quotes_or_folds_is_read(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'scaling-laws[trackers]'")
    names = ["it's: a #name", "long " * 40 + "end", 'quoted "\u0085" é', "12"]
    store = write_mlflow(tmp_path, [made(name) for name in names])
    assert [
        run.name for run in sorted(mlflow.read(store), key=lambda run: run.started or 0)
    ] == names


def test_damaged_lines_of_a_metric_are_told(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'scaling-laws[trackers]'")
    store = write_mlflow(tmp_path, [made("a")])
    (file,) = tmp_path.rglob("metrics/train/loss")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], "1700 what 4", *lines[4:]]) + "\n")
    (run,) = mlflow.read(store)
    assert run.notes == ("metric train/loss: read up to line 4, which is '1700 what 4'",)
    assert np.isfinite(run.history["train/loss"]).sum() == 3


def test_a_writers_log_beside_the_database_is_read_and_nothing_is_left_there(
    tmp_path: Path,
) -> None:
    pytest.importorskip("trackio", reason="needs trackio: pip install 'scaling-laws[trackers]'")
    write_trackio(tmp_path, [made("a")])
    (path,) = tmp_path.glob("*.db")
    writer = sqlite3.connect(path)
    writer.execute(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)",
        ("id-a", "2026-01-01", "a", 99, json.dumps({"train/loss": "NaN", "x": "-Infinity"})),
    )
    writer.commit()
    before = sorted(each.name for each in tmp_path.iterdir())
    assert f"{path.name}-wal" in before
    (run,) = trackio.read(str(tmp_path))
    assert run.history["step"][-1] == 99
    np.testing.assert_array_equal(run.history["train/loss"][-1], math.nan)
    assert run.history["x"][-1] == -math.inf
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    writer.close()
    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(path, clean)
    list(trackio.read(str(clean)))
    assert [each.name for each in clean.iterdir()] == [path.name]


def test_an_older_database_of_trackios_knows_runs_by_name(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.executescript(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, "
            "step INTEGER, metrics TEXT);"
            "CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name TEXT, config TEXT, "
            "created_at TEXT);"
        )
        old.execute("INSERT INTO configs VALUES (1, 'a', '{\"lr\": 0.1}', 't')")
        for step, loss in ((1, 3.0), (2, 2.5)):
            old.execute(
                "INSERT INTO metrics VALUES (?, '2026-01-01T00:00:00', 'a', ?, ?)",
                (step, step, f'{{"loss": {loss}}}'),
            )
    old.close()
    (run,) = trackio.read(str(tmp_path))
    assert (run.id, run.config) == ("a", {"lr": 0.1})
    assert run.history["loss"].tolist() == [3.0, 2.5]


@pytest.mark.parametrize("read", [mlflow.read, trackio.read])
def test_a_damaged_database_is_refused_by_its_name(
    read: Callable[[str], Iterator[LoggedRun]], tmp_path: Path
) -> None:
    path = database(tmp_path / "mlflow.db", [made("a", steps=5000)])
    data = path.read_bytes()
    path.write_bytes(data[:16] + bytes(len(data) - 16))
    with pytest.raises(InputError, match=r"mlflow\.db"):
        list(read(str(path)))


def test_a_store_without_runs_is_refused(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db", [made("a")])
    with sqlite3.connect(path) as store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    store.close()
    with pytest.raises(InputError, match="MLflow's store there holds no run"):
        list(mlflow.read(str(path)))
