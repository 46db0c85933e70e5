"""Sources of the importers of trackers, written by the trackers' own libraries."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest
from batteries.importers import BATCH_TOKENS, MadeRun, Writer

from scaling.importers.wandb_file import read_file

STARTED = 1_700_000_000  # seconds: of the first run, where a library lets one say it


def rows(run: MadeRun) -> Iterator[tuple[int, dict[str, float]]]:
    """What a trainer would log at each step; a loss that is no number is logged, too."""
    for step, loss, held_out in run.points:
        values = {"train/loss": loss, "train/tokens": float(step * BATCH_TOKENS)}
        if step in run.held_out or math.isnan(loss):
            values["val/loss"] = held_out
        yield step, values


def wandb(folder: Path, runs: Sequence[MadeRun]) -> str:
    """Offline; two starts of a run are two folders with one id."""
    import wandb

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False,
        x_disable_stats=True, x_disable_meta=True,
    )  # fmt: skip
    ids = {name: f"id{index}" for index, name in enumerate(dict.fromkeys(r.name for r in runs))}
    for run in runs:
        live = wandb.init(
            project="battery", id=ids[run.name], name=run.name, config=dict(run.config),
            dir=str(folder), mode="offline", reinit="create_new", settings=quiet,
        )  # fmt: skip
        for step, values in rows(run):
            live.log(values, step=step)
        live.finish(exit_code=0 if run.finished else 1)
        _await_end(Path(live.dir).parent)
    return str(folder)


def _await_end(run: Path) -> None:
    """W&B's own process writes the file, and is not always done when a run has finished."""
    (file,) = run.glob("*.wandb")
    until = time.monotonic() + 60
    while read_file(file).ended == "unstated" and time.monotonic() < until:
        time.sleep(0.02)


def tensorboard(folder: Path, runs: Sequence[MadeRun]) -> str:
    """A folder a run; another event file a start."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for start, run in enumerate(runs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.time", lambda now=STARTED + start: now)  # file names are in seconds
            writer = EventFileWriter(str(folder / run.name))
        hparams = hparams_pb(dict(run.config), run.name)
        writer.add_event(event_pb2.Event(summary=hparams, wall_time=STARTED))
        for step, values in rows(run):
            scalars = [
                summary_pb2.Summary.Value(tag=tag, simple_value=value)
                for tag, value in values.items()
            ]
            writer.add_event(
                event_pb2.Event(
                    summary=summary_pb2.Summary(value=scalars),
                    step=step,
                    wall_time=STARTED + start + step / 1000,
                )
            )
        writer.close()
    return str(folder)


def mlflow(folder: Path, runs: Sequence[MadeRun]) -> str:
    """The file store; a start after the first takes the same run up again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        log_to_mlflow(folder.as_uri(), runs)
    return str(folder)


def log_to_mlflow(uri: str, runs: Sequence[MadeRun]) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.create_experiment("battery")
    for index, (name, starts) in enumerate(groupby(runs, key=lambda run: run.name)):
        head = client.create_run(experiment, run_name=name, start_time=1000 * STARTED + index)
        run_id, now = head.info.run_id, 1000 * STARTED
        for run in starts:
            metrics = [
                Metric(key, value, now := now + 1, step)
                for step, values in rows(run)
                for key, value in values.items()
            ]
            for first in range(0, len(metrics), 1000):
                client.log_batch(run_id, metrics=metrics[first : first + 1000])
            params = [Param(key, str(value)) for key, value in run.config.items()]
            client.log_batch(run_id, params=params)
            client.set_terminated(run_id, "FINISHED" if run.finished else "FAILED")


def trackio(folder: Path, runs: Sequence[MadeRun]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(folder))  # for the first import
        from trackio import sqlite_storage

        patch.setattr(sqlite_storage, "TRACKIO_DIR", folder)
        for start, run in enumerate(runs):
            logged = list(rows(run))
            sqlite_storage.SQLiteStorage.bulk_log(
                project="battery",
                run=run.name,
                run_id=f"id-{run.name}",
                metrics_list=[values for _, values in logged],
                steps=[step for step, _ in logged],
                log_ids=[f"{run.name}-{start}-{step}" for step, _ in logged],
                config=dict(run.config),
            )
    return str(folder)


def _wandb_file(source: str) -> Path:
    return next(Path(source).rglob("*.wandb"))


def _mlflow_file(source: str) -> Path:
    return next(Path(source).rglob("metrics/val/loss"))


WRITERS = {
    "mlflow": Writer(mlflow, needs=("mlflow",), damaged=_mlflow_file),
    "tensorboard": Writer(tensorboard, needs=("tensorboard",)),
    "trackio": Writer(trackio, needs=("trackio",)),
    "wandb": Writer(wandb, needs=("wandb",), damaged=_wandb_file),
}
