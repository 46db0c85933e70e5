"""A study's folder as a report needs it: whatever is there, and an account of what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from scaling import files
from scaling.errors import InputError
from scaling.fit import Objective
from scaling.forecast import proof
from scaling.forecast.crossing import SideBySide, side_by_side
from scaling.forecast.ruled import families_of, fits
from scaling.grid import Proof
from scaling.report.pooled import Pooled, pooled
from scaling.sweep import tuning
from scaling.sweep.columns import TABLE_COLUMNS
from scaling.sweep.health import Health, of_records
from scaling.sweep.records import CURVE, read_json
from scaling.sweep.store import Store
from scaling.table import CONVENTIONS, FAMILY, conventions, read_table
from scaling.units import UNITS_OF_D, UNSTATED

if TYPE_CHECKING:
    from scaling.files import Place

_CURVE = ("loss", "learning_rate")  # of its columns, what is drawn beside what was seen
_ILL_RUNS = 3  # whose telemetry is drawn
_DRAWS = 500  # of each family, side by side
_Told = Callable[[Exception], str]


@dataclass
class Study:
    """What a folder holds; `missing` says in sentences what it does not.

    records: finished cells in the plan's order, those that a rate was tuned on left out; tuned:
    what that found, in sentences. curves: by run. table: the run table, None where
    nothing ran; kinds: its conventions. fits: the forecast's rule (chinchilla on N_total without
    one) fitted to the pilots of each family. views: these families side by side, where there are
    several. telemetry: whole curves of the first runs that were not well.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    grid_text: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    forecast: dict[str, Any] | None = None
    verdicts: list[proof.Verdict] = field(default_factory=list)
    rule: Proof = field(default_factory=Proof)
    kinds: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CONVENTIONS, UNSTATED))
    fits: dict[str, Pooled] = field(default_factory=dict)
    views: list[SideBySide] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    telemetry: dict[str, pd.DataFrame] = field(default_factory=dict)
    tuned: list[str] = field(default_factory=list)

    @property
    def health(self) -> Health:
        return of_records(self.records, self.planned)

    @property
    def planned(self) -> list[str]:
        """The study's own cells: those that a rate is tuned on aren't."""
        others = set(self.facts.get("tuning", []))
        return [str(cell) for cell in self.facts.get("cells", []) if cell not in others]

    @property
    def families(self) -> list[str]:
        """The families of the table, where there are several: then no one law is all of it."""
        if self.table is None or FAMILY not in self.table:
            return []
        names = sorted({str(name) for name in self.table[FAMILY].dropna()})
        return names if len(names) > 1 else []

    @property
    def fit(self) -> Pooled | None:
        """The fit of a study of one family."""
        return next(iter(self.fits.values()), None) if not self.families else None


def read_study(folder: Place) -> Study:
    """Read what is in the folder. Damaged and absent parts are told in `missing`.

    Raises InputError where there is no such folder.
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
    _read_cells(folder, study, told)
    try:
        study.tuned = [f"{a.family}: {a.told()}" for a in tuning.kept(folder) or ()]
    except InputError as error:
        study.missing.append(f"The tuned learning rate: {told(error)}.")
    _read_forecast(folder, study, told)
    if study.table is not None:
        _fit(study, told)
    if study.families and len(study.fits) > 1:
        _side_by_side(study, told)
    return study


def _read_cells(folder: Place, study: Study, told: _Told) -> None:
    store = Store(folder)
    planned = study.planned
    cells = folder / "cells"
    known = set(planned)
    for cell in [*planned, *(run for run in files.names(cells) if run not in known)]:
        try:
            record = store.read(cell)
        except InputError as error:
            study.missing.append(f"Cell {cell}: {told(error)}.")
            continue
        if record is None:
            continue
        if record["role"] == "tuning":
            continue
        study.records.append(record)
        if files.exists(cells / cell / CURVE):
            try:
                whole = store.curve(cell)
                study.curves[cell] = _drawn(whole)
                if record.get("findings") and len(whole) and len(study.telemetry) < _ILL_RUNS:
                    study.telemetry[cell] = whole
            except (OSError, ValueError) as error:
                study.missing.append(f"Curve of cell {cell}: {told(error)}.")
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
    if study.records and not study.curves:
        study.missing.append("No loss curves are kept with the records.")


def _stored_table(folder: Place) -> pd.DataFrame:
    if isinstance(folder, Path):
        return read_table(folder / "table.parquet")
    raise InputError("no records are there")


def _drawn(curve: pd.DataFrame) -> pd.DataFrame:
    """The columns of a curve that are drawn. Raises ValueError where one is missing."""
    seen = [name for name in UNITS_OF_D if name in curve][:1]
    missing = [name for name in _CURVE if name not in curve] + [" or ".join(UNITS_OF_D)] * (
        not seen
    )
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    return curve[[*seen, *_CURVE]]


def _read_forecast(folder: Place, study: Study, told: _Told) -> None:
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


def _fit(study: Study, told: _Told) -> None:
    assert study.table is not None  # the caller looked
    if study.forecast is None and study.rule.N not in study.table:
        study.rule = study.rule.model_copy(update={"N": "N"})
    try:
        study.kinds = conventions(study.table)
        parts = families_of(study.table, study.rule)
    except InputError as error:
        study.missing.append(f"No law could be fitted: {told(error)}.")
        return
    for name, part in parts.items():
        try:
            members = fits(part, study.rule)
        except InputError as error:
            whose = f" of {name}" if study.families else ""
            study.missing.append(f"No law{whose} could be fitted: {told(error)}.")
        else:
            study.fits[name] = pooled(members, study.rule.discrepancy)


def _side_by_side(study: Study, told: _Told) -> None:
    """The families under the rule's law, of which they hold what the rule holds at one value."""
    assert study.table is not None  # the caller looked
    rule = study.rule
    try:
        study.views = side_by_side(
            rule.law,
            study.table,
            objective=Objective(rule.objective, rule.delta),
            N=rule.N,
            where=rule.where,
            draws=min(rule.draws, _DRAWS),
            fixed={name: values[0] for name, values in rule.fixed.items() if len(values) == 1},
        )
    except InputError as error:
        study.missing.append(f"The families side by side: {told(error)}.")
