"""MLflow: its file store and its SQLite store, read without a server or its package.

Both keep each value of a metric with a moment and a step; params and tags are texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scaling.errors import InputError
from scaling.importers import mlflow_database, mlflow_files
from scaling.importers.contract import LoggedRun
from scaling.importers.tracked_names import NAMES

NAME = "mlflow"
ABOUT = "MLflow: mlruns/ or an SQLite database; one experiment by PATH#NAME"
EXAMPLE = "mlruns/"
USUAL = NAMES
DATABASE = "mlflow.db"  # as MLflow calls it where it is not told otherwise
_PREFIXES = ("mlflow:", "sqlite:///", "file://")


def recognises(source: str) -> bool:
    path, _ = _parted(source)
    stores = (mlflow_database.recognises, mlflow_files.recognises)
    return source.startswith(_PREFIXES[0]) or any(store(path) for store in stores)


def read(source: str) -> Iterator[LoggedRun]:
    path, chosen = _parted(source)
    reads = mlflow_database if path.is_file() else mlflow_files
    experiments = reads.experiments(path)
    if not experiments:
        raise InputError(
            f"{source}: no store of MLflow's: give a folder mlruns/ (its experiments' folders hold "
            "meta.yaml) or an SQLite database such as mlflow.db"
        )
    names = sorted(set(experiments.values()))
    if chosen is not None and chosen not in names:
        raise InputError(f"{source}: no experiment {chosen!r}; there are: {', '.join(names)}")
    found = False
    for experiment, name in experiments.items():
        if chosen in (None, name):
            for run in reads.runs(path, experiment, name):
                found = True
                yield run
    if not found:
        raise InputError(f"{source}: MLflow's store there holds no run")


def _parted(source: str) -> tuple[Path, str | None]:
    """The store, and the experiment that was asked for."""
    for prefix in _PREFIXES:
        source = source.removeprefix(prefix)
    path, mark, name = source.rpartition("#")
    chosen = name if mark and not Path(source).exists() else None
    store = Path(source if chosen is None else path)
    if mlflow_database.recognises(store / DATABASE) and not mlflow_files.recognises(store):
        store /= DATABASE
    return store, chosen
