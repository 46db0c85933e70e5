"""MLflow's SQLite store: tables of experiments, runs, metrics, params and tags."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.importers.contract import LoggedRun
from scaling.importers.mlflow_run import SYSTEM, Stored
from scaling.importers.sqlite import database, has_tables

_TABLES = ("experiments", "runs", "metrics", "params", "tags")
_LARGEST = np.finfo(float).max  # SQLite's store keeps infinity as this, and NaN as a mark


def recognises(path: Path) -> bool:
    return path.is_file() and has_tables(path, *_TABLES)


def experiments(path: Path) -> dict[str, str]:
    """Their names by their ids; deleted ones are gone."""
    if not recognises(path):
        return {}
    with database(path) as opened:
        found = opened.execute(
            "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = 'active'"
        )
        return {str(experiment): str(name) for experiment, name in found}


def runs(path: Path, experiment: str, name: str) -> Iterator[LoggedRun]:
    with database(path) as opened:
        heads = opened.execute(
            "SELECT run_uuid, name, status, start_time FROM runs "
            "WHERE experiment_id = ? AND lifecycle_stage = 'active' ORDER BY start_time, run_uuid",
            (int(experiment),),
        ).fetchall()
        for run, called, status, started in heads:
            yield Stored(
                id=run,
                origin=f"{path}#{name}",
                name=called or "",
                experiment=name,
                status=status or "",
                started=started,
                params=_pairs(opened, "params", run),
                tags=_pairs(opened, "tags", run),
                metrics=_metrics(opened, run),
            ).logged()


def _pairs(opened: sqlite3.Connection, table: str, run: str) -> dict[str, str]:
    found = opened.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (run,))
    return {key: str(value) for key, value in found}


def _metrics(opened: sqlite3.Connection, run: str) -> dict[str, np.ndarray]:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for key, *told in opened.execute(
        "SELECT key, timestamp, CASE WHEN is_nan THEN NULL ELSE value END, step FROM metrics "
        "WHERE run_uuid = ? ORDER BY rowid",
        (run,),
    ):
        if not key.startswith(SYSTEM):
            found.setdefault(key, []).append(told)
    metrics = {key: np.array(told, float) for key, told in found.items()}
    for told in metrics.values():
        infinite = np.abs(told[:, 1]) == _LARGEST
        told[infinite, 1] = np.copysign(np.inf, told[infinite, 1])
    return metrics
