"""MLflow: into files of the study, a database, or a server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from scaling.data.extras import needed
from scaling.grid import Section
from scaling.sweep.trackers.contract import End, Point, Run

NAME = NEEDS = "mlflow"
STATUS: Mapping[End, str] = {"finished": "FINISHED", "failed": "FAILED", "left": "KILLED"}
CELL = "scaling.cell"  # the tag that finds a cell's run again


class Settings(Section):
    """uri: of a server, or a database such as sqlite:////path/to/mlflow.db (for which MLflow needs
    the packages sqlalchemy and alembic, too); by default files below `folder`. folder: by default
    DIR/trackers/mlflow. experiment: by default the study's name."""

    uri: str | None = None
    folder: str | None = None
    experiment: str | None = None


class MlflowRun:
    def __init__(self, client: Any, entities: Any, run_id: str) -> None:
        self.client, self.entities, self.run_id = client, entities, run_id

    def log(self, points: Sequence[Point]) -> None:
        now = int(1000 * time.time())
        metrics = [
            self.entities.Metric(name, value, now, step)
            for step, values in points
            for name, value in values.items()
        ]
        for first in range(0, len(metrics), 1000):  # a request holds no more
            self.client.log_batch(self.run_id, metrics=metrics[first : first + 1000])

    def end(self, how: End, summary: Mapping[str, float | str]) -> None:
        for name, value in summary.items():
            if isinstance(value, str):
                self.client.set_tag(self.run_id, name, value)
            else:
                self.client.log_metric(self.run_id, f"final/{name}", value)
        self.client.set_terminated(self.run_id, STATUS[how])


def begin(settings: Settings, run: Run) -> MlflowRun:
    # Nothing goes out that nobody asked for; and files are MLflow's only store without a database.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking = needed("mlflow.tracking", "tracker mlflow", "trackers")
    entities = needed("mlflow.entities", "tracker mlflow", "trackers")
    assert settings.folder is not None  # `ready` has named it
    folder = Path(settings.folder)
    own = settings.uri is None
    client = tracking.MlflowClient(settings.uri or (folder / "runs").as_uri())
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "experiment.lock"):  # workers begin side by side
        experiment = _experiment(client, settings.experiment or run.study)
    # Files are searched one by one: where a cell's run is, is kept beside them.
    mark = folder / "cells" / run.id
    if own:
        before = [mark.read_text(encoding="utf-8")] if mark.exists() else []
    else:
        found = client.search_runs([experiment], f"tags.`{CELL}` = '{run.id}'")
        before = [other.info.run_id for other in found]
    for other in before:
        client.delete_run(other)
    run_id = client.create_run(experiment, tags={CELL: run.id}, run_name=run.name).info.run_id
    if own:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(run_id, encoding="utf-8")
    params = [entities.Param(name, str(value)) for name, value in run.config.items()]
    client.log_batch(run_id, params=params)
    return MlflowRun(client, entities, run_id)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)
