"""A study's folder, here or behind a URL: what is written is whole; a record's presence means done.

Drivers and workers on several machines share it without a server: finished records are never
written over, and what is found damaged is moved into quarantine and made again.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from scaling import files, parquet
from scaling.errors import InputError
from scaling.formats import to_bytes
from scaling.grid import Cell, Grid
from scaling.sweep.storing import index, planned
from scaling.sweep.storing.columns import table_of
from scaling.sweep.storing.index import Index
from scaling.sweep.storing.planned import Changes
from scaling.sweep.storing.quarantine import Quarantined, log, quarantined, set_aside
from scaling.sweep.storing.records import (
    CELL,
    CURVE,
    RECORD,
    DamagedError,
    opened,
    parsed,
    read_json,
    sealed,
    to_json,
    write_json,
)

if TYPE_CHECKING:
    from scaling.files import Place
    from scaling.sweep.planning.plan import CellCost

MARKER, GRID, FORECAST = "study.json", "grid.toml", "forecast.json"
# Of so few cells the records are read themselves: that is less than a look at all of them.
FEW = 64
LOOK_SECONDS = 300.0


class Named(Protocol):
    """What has the id of a cell; most questions to a store need no more of it."""

    @property
    def id(self) -> str: ...


class Store:
    """The folder of one study, a path or a URL."""

    def __init__(self, folder: Place | str) -> None:
        self.folder = files.folder(folder)
        self._looked = time.monotonic()

    def open(
        self,
        grid: Grid,
        grid_text: str,
        facts: Mapping[str, Any],
        known: Mapping[str, CellCost] | None = None,
        *,
        tell: bool = True,
    ) -> Changes:
        """Make the folder or take up the study in it; several drivers may do so at once.

        known: what each planned cell costs, for `plan.parquet`. A grid may grow or change between
        calls, since what is trained is kept by cell: which cells are new, gone or changed is
        returned, and said on the log (unless `tell` is False). Once a forecast is written, its grid
        is fixed. Raises InputError if the folder belongs to another study or to something else.
        """
        before = self._marker()
        if before and before.get("name") != grid.name:
            raise InputError(
                f"{self.folder}: holds the study {before.get('name')!r}, not {grid.name!r}; "
                "choose another folder with --out"
            )
        now = {"name": grid.name, **facts}
        same = all(before.get(key) == now.get(key) for key in ("name", "grid_sha256", "cells"))
        if not same and not self._may_change(before, now):
            raise InputError(
                f"{self.folder}: its forecast was written for another version of this grid, other "
                "data or another --seed; choose another folder with --out"
            )
        found = Changes()
        if known is not None and not (same and files.exists(self.folder / planned.FILE)):
            rows = planned.rows_of_plan(known.values())
            if before:
                found = planned.changes(before.get("cells", []), planned.load(self.folder), rows)
            planned.save(self.folder, rows)
        if not same:
            files.write(self.folder / GRID, grid_text.encode())
            write_json(self.folder / MARKER, now)
        if found and tell:
            log.warning("%s: %s", self.folder, found)
        return found

    def must_be(self) -> None:
        """Raise InputError where no study is."""
        if not files.exists(self.folder / MARKER):
            raise InputError(
                f"{self.folder}: no study here ({MARKER} is missing); `scaling study GRID --out "
                f"{self.folder}` makes one"
            )

    def checkpoint(self, trunk: str) -> Place:
        return self.folder / "trunks" / f"{_named(trunk)}.npz"

    def cell_folder(self, cell_id: str) -> Place:
        return self.folder / "cells" / _named(cell_id)

    def save(self, cell: Cell, record: Mapping[str, Any], curve: pd.DataFrame) -> bool:
        """Store a cell; the record last, so that a torn write means unfinished.

        False, and nothing is written, where it has a record already: only one that failed is
        replaced. Of two that store the same cell at once one is told True; files of the other that
        came between make the record damaged, and then the other's are stored.
        """
        folder = self.cell_folder(cell.id)
        drawn = io.BytesIO()
        curve.to_parquet(drawn, index=False)
        beside = {CELL: to_json(cell.facts()), CURVE: drawn.getvalue()}
        while (there := self.record(cell.id)) is None or there["status"] == "failed":
            if there is not None:
                self._drop_failed(folder)  # what it says of its files will no longer be true
            for name, data in beside.items():
                files.write(folder / name, data)
            if files.create(folder / RECORD, sealed(record, beside)):
                return True
        return False

    def read(self, cell_id: str) -> dict[str, Any] | None:
        """The record of a cell, or None. Raises DamagedError, and leaves all as it is."""
        folder = self.cell_folder(cell_id)
        try:
            return opened(folder)
        except DamagedError:
            return opened(folder)  # it may have been stored anew while we read it

    def record(self, cell_id: str) -> dict[str, Any] | None:
        """The record of a cell, or None: one that is damaged is moved into quarantine."""
        try:
            return self.read(cell_id)
        except DamagedError as error:
            self._set_aside(cell_id, error)
            return None

    def curve(self, cell_id: str) -> pd.DataFrame:
        """The curve of a cell that has a record."""
        with files.reading(self.cell_folder(cell_id) / CURVE) as file:
            return parquet.read_frame(file)

    def finished(self, cells: Iterable[Named]) -> dict[str, dict[str, Any]]:
        """The records of those cells that have one, by cell."""
        records = {cell.id: self.record(cell.id) for cell in cells}
        return {run: record for run, record in records.items() if record is not None}

    def statuses(self, cells: Iterable[Named]) -> dict[str, str]:
        """The status of each cell that has a record."""
        runs = [cell.id for cell in cells]
        if len(runs) <= FEW:
            records = {run: self.record(run) for run in runs}
            return {run: str(r["status"]) for run, r in records.items() if r is not None}
        return self.look().statuses(runs)

    def done(self, cells: Iterable[Named]) -> dict[str, str]:
        """The status of each cell that is not to be trained again: all that have a record but what
        failed, which may be well another time."""
        known = self.statuses(cells)
        return {run: status for run, status in known.items() if status != "failed"}

    def look(self) -> Index:
        """What there are records of, by the index, which is brought up to date; what is damaged
        goes into quarantine."""
        found = index.look(self.folder)
        for run, error in found.damaged.items():
            self._set_aside(run, error)
        if found.read:
            index.save(self.folder, found)
        self._looked = time.monotonic()
        return found

    def look_again(self) -> None:
        """Bring the index up to date every few minutes, so that who looks on needn't read much."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.look()

    def table(self, cells: Iterable[Named]) -> pd.DataFrame:
        """The run table of the cells that have a record, in the plan's order."""
        return table_of(self.look().of([cell.id for cell in cells]))

    def write_table(self, cells: Iterable[Named]) -> pd.DataFrame:
        """`table.parquet` and `table.csv` of the cells that have a record."""
        table = self.table(cells)
        parquet = to_bytes(table, ".parquet")
        if not self._written(table, parquet):
            files.write(self.folder / "table.csv", to_bytes(table, ".csv"))
            files.write(self.folder / "table.parquet", parquet)
        return table

    def quarantined(self) -> list[Quarantined]:
        """What was found damaged, and lies aside."""
        return quarantined(self.folder)

    def damaged_checkpoint(self, path: Place, why: str) -> None:
        """Move a checkpoint that is damaged into quarantine: its trunk starts again."""
        set_aside(self.folder, path, path.name.partition(".")[0], why)

    def clean(self) -> None:
        """Drop what interrupted writes of processes that are gone left behind, and an empty folder
        of checkpoints."""
        for partial in files.left_over(self.folder):
            files.remove(partial)
        trunks = self.folder / "trunks"
        if files.exists(trunks) and not files.names(trunks):
            files.remove_folder(trunks)

    def _marker(self) -> dict[str, Any]:
        """What `study.json` says; nothing in a new folder, or where it was damaged and set aside.

        Raises InputError for a folder of something else.
        """
        marker = self.folder / MARKER
        if files.exists(marker):
            try:
                return read_json(marker)
            except DamagedError as error:
                set_aside(self.folder, marker, "study", error.why)
                return {}
        there = set(files.names(self.folder))
        # A start that was killed leaves less; a study.json that somebody removed, more.
        if there - {GRID, planned.FILE} and not {GRID, "cells"} <= there:
            raise InputError(f"{self.folder}: not empty and not a study; choose another --out")
        return {}

    def _may_change(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Whether the grid may be another one: not once a forecast is written. Where nothing else
        tells which grid that was for, its targets do."""
        path = self.folder / FORECAST
        if not files.exists(path):
            return True
        targets = {target.get("cell") for target in read_json(path).get("targets", [])}
        return not before and targets <= set(now.get("cells", []))

    def _drop_failed(self, folder: Place) -> None:
        """Remove the record of a failure; another may have put its own there since."""
        aside = folder / files.temporary(RECORD)
        if files.move(folder / RECORD, aside):
            raw = files.read(aside)
            if parsed(aside, raw)["status"] != "failed":
                files.create(folder / RECORD, raw)
            files.remove(aside)

    def _set_aside(self, cell_id: str, error: DamagedError) -> None:
        why = f"{error.path.name}: {error.why}"
        set_aside(self.folder, self.cell_folder(cell_id), cell_id, why)

    def _written(self, table: pd.DataFrame, parquet: bytes) -> bool:
        """Whether the table's files are as they would be; of the CSV, whether it has all lines."""
        try:
            lines = files.read(self.folder / "table.csv")
            same = files.read(self.folder / "table.parquet") == parquet
        except FileNotFoundError:
            return False
        return same and lines.endswith(b"\n") and lines.count(b"\n") > len(table)


def _named(of: str) -> str:
    """An id that is part of a path. Raises InputError for what is none: a file may say anything."""
    if not re.fullmatch(r"\w[\w-]*", of, re.ASCII):
        raise InputError(f"{of!r} is no id of a cell or trunk: letters, digits and - are")
    return of
