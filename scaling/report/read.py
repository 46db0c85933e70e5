"""A study's folder as a report needs it: whatever is there, and an account of what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import ValidationError

from scaling import files
from scaling.errors import InputError
from scaling.forecast import proof
from scaling.grid import Proof
from scaling.plot.loss_curves import drawn
from scaling.report.laws import fit_rule
from scaling.report.study import Study, Told
from scaling.sweep import tuning
from scaling.sweep.storing.columns import TABLE_COLUMNS
from scaling.sweep.storing.records import CURVE, read_json
from scaling.sweep.storing.store import Store
from scaling.table import FAMILY, read_table
from scaling.units import UNITS_OF_D

if TYPE_CHECKING:
    from scaling.files import Place

_CURVE = ("loss", "learning_rate")  # of its columns, what is drawn beside what was seen
_ILL_RUNS = 3  # whose telemetry is drawn


def read_study(folder: Place, store: Store | None = None) -> Study:
    """Read what is in the folder. Damaged and absent parts are told in `missing`.

    store: of the folder, one that remembers what it read. Raises InputError where there is no such
    folder.
    """
    if not files.exists(folder):
        raise InputError(f"{folder}: no such folder; a study's folder is needed")

    def told(error: Exception) -> str:  # no machine's paths in a page that is passed on
        return str(error).replace(f"{folder}/", "").replace(str(folder), "the folder")

    study = Study((folder.resolve() if isinstance(folder, Path) else folder).name)
    try:
        study.facts = read_json(folder / "study.json")
        study.name = str(study.facts.get("name", study.name))
    except InputError as error:
        study.missing.append(f"Facts of the study: {told(error)}.")
    try:
        study.grid_text = files.read(folder / "grid.toml").decode()
    except (OSError, ValueError):
        study.missing.append("The grid: grid.toml is absent or cannot be read.")
    _read_cells(folder, study, told, store or Store(folder))
    try:
        study.tuned = [f"{a.family}: {a.told()}" for a in tuning.kept(folder) or ()]
    except InputError as error:
        study.missing.append(f"The tuned learning rate: {told(error)}.")
    _read_forecast(folder, study, told)
    if study.table is not None:
        fit_rule(study, told)
    return study


def _read_cells(folder: Place, study: Study, told: Told, store: Store) -> None:
    planned = study.planned
    known = set(planned)
    for cell in [*planned, *(run for run in files.names(folder / "cells") if run not in known)]:
        try:
            record = store.read(cell)
        except InputError as error:
            study.missing.append(f"Cell {cell}: {told(error)}.")
            continue
        if record is not None and record["role"] != "tuning":
            study.records.append(record)
    left = len(known - {r["run"] for r in study.records})
    if left:
        study.missing.append(f"{left} of {len(planned)} planned cells are not trained yet.")
    if study.records:  # newer than the table's file while a study runs
        keys = set().union(*study.records)
        study.table = pd.DataFrame(
            study.records, columns=[name for name in TABLE_COLUMNS if name in keys]
        )
    else:
        try:
            study.table = _stored_table(folder)
        except InputError as error:
            study.missing.append(f"No run is finished: {told(error)}.")
    if study.table is not None:
        study.table.attrs["source"] = "table.parquet"
        if {"run", "N", "D"} <= set(study.table):
            _read_curves(store, study, told)


def _read_curves(store: Store, study: Study, told: Told) -> None:
    """The curves that are drawn, and those of the first runs that were not well."""
    table = study.table
    assert table is not None  # the caller looked
    parts = [table[table[FAMILY] == name] for name in study.families] or [table]
    runs = [str(run) for part in parts for run in drawn(part)["run"]]
    ill = [str(r["run"]) for r in study.records if r.get("findings")][:_ILL_RUNS]
    for run in dict.fromkeys([*runs, *ill]):
        if not files.exists(store.cell_folder(run) / CURVE):
            continue
        try:
            whole = store.curve(run)
            study.curves[run] = _shown(whole)
        except (OSError, ValueError) as error:
            study.missing.append(f"Curve of cell {run}: {told(error)}.")
            continue
        if run in ill and len(whole):
            study.telemetry[run] = whole
    if study.records and not study.curves:
        study.missing.append("No loss curves are kept with the records.")


def _stored_table(folder: Place) -> pd.DataFrame:
    if isinstance(folder, Path):
        return read_table(folder / "table.parquet")
    raise InputError("no records are there")


def _shown(curve: pd.DataFrame) -> pd.DataFrame:
    """The columns of a curve that are drawn. Raises ValueError where one is missing."""
    seen = [name for name in UNITS_OF_D if name in curve][:1]
    missing = [name for name in _CURVE if name not in curve] + [" or ".join(UNITS_OF_D)] * (
        not seen
    )
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    return curve[[*seen, *_CURVE]]


def _read_forecast(folder: Place, study: Study, told: Told) -> None:
    if not files.exists(folder / "forecast.json"):
        study.missing.append("No forecast was written (forecast.json is absent).")
        return
    try:
        study.forecast = proof.read(folder / "forecast.json")
        study.rule = Proof(**study.forecast["rule"])
        study.verdicts = proof.verdicts(study.forecast, {r["run"]: r for r in study.records})
    except (InputError, ValidationError, KeyError, TypeError) as error:
        study.forecast, study.verdicts, study.rule = None, [], Proof()
        study.missing.append(f"The forecast cannot be used: {told(error)}.")
