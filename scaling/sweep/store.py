"""A study's folder: every write is a new file moved into place; a record's presence means done."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from scaling.errors import InputError
from scaling.grid import Cell, Grid, canonical_json
from scaling.table import write_table

LOCK = ".lock"
# What a record may lack (older ones do, and a run that failed has no metrics) stands in OPTIONAL:
# a table has those that any of its records has.
METRICS = [
    "top1_error", "top5_error", "calibration_error", "contrastive_loss", "caption_loss",
    "recall_at_1", "recall_at_5", "zero_shot_top1_error", "zero_shot_top5_error",
]  # fmt: skip
HEALTH = ["best_loss", "best_step", "skipped_steps", "rewinds", "attention_logit"]
BATCHES = ["batch_tokens", "batch_images", "batch_pairs"]
# What is the same whenever a run is repeated on its machine; times are in the records only.
COST = [
    "predicted_memory_bytes", "measured_memory_bytes", "predicted_flops", "xla_flops",
    "predicted_bytes_read", "bytes_read",
]  # fmt: skip
OPTIONAL = ["N_active", "D_kind", "recipe", *BATCHES, *METRICS, *HEALTH, *COST]
TABLE_COLUMNS = [
    "run", "family", "N", "N_total", "N_active", "D", "D_unique", "C", "C_6ND", "loss", "loss_se",
    "train_loss", *METRICS, *HEALTH, *COST, "seed", "status", "reason", "trunk", "role",
    "learning_rate", *BATCHES, "transfer", "recipe", "config", "N_kind", "D_kind", "C_kind",
    "L_kind",
]  # fmt: skip


class Store:
    """The folder of one study."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @contextmanager
    def open(self, grid: Grid, grid_text: str, facts: dict[str, Any]) -> Iterator[None]:
        """Make the folder or take up the study in it, and hold it against a second driver.

        A grid may grow or change between calls, since what is trained is kept by cell; once a
        forecast is written, its grid is fixed. Raises InputError if the folder belongs to another
        study, to something else, or to a driver at work.
        """
        # A start that was killed may have left the grid alone: that is no foreign folder.
        ours = {self.folder / "grid.toml", self.folder / LOCK} | set(self.folder.glob("*.tmp"))
        marker = self.folder / "study.json"
        if self.folder.is_dir() and not marker.exists() and set(self.folder.iterdir()) - ours:
            raise InputError(f"{self.folder}: not empty and not a study; choose another --out")
        with self._held():
            known = read_json(marker) if marker.exists() else {}
            if known and known.get("name") != grid.name:
                raise InputError(
                    f"{self.folder}: holds the study {known.get('name')!r}, not {grid.name!r}; "
                    "choose another folder with --out"
                )
            now = {"name": grid.name, **facts}
            if any(known.get(key) != now.get(key) for key in ("name", "grid_sha256", "cells")):
                if (self.folder / "forecast.json").exists():
                    raise InputError(
                        f"{self.folder}: its forecast was written for another version of this "
                        "grid, other data or another --seed; choose another folder with --out"
                    )
                write_text(self.folder / "grid.toml", grid_text)
                write_json(marker, now)
            yield

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The folder's lock; the system lets go of it however the process ends."""
        lock = FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"{self.folder}: another process is at work on this study") from None
        except OSError as error:
            raise _refused(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def checkpoint(self, trunk: str) -> Path:
        return self.folder / "trunks" / f"{trunk}.npz"

    def save(self, cell: Cell, record: dict[str, Any], curve: pd.DataFrame) -> None:
        """Store a finished cell; the record last, so that a torn write means unfinished."""
        folder = self.folder / "cells" / cell.id
        write_json(folder / "cell.json", cell.facts())
        write_file(folder / "curve.parquet", lambda partial: curve.to_parquet(partial, index=False))
        write_json(folder / "record.json", {**record, "sha256": _digest(record)})

    def record(self, cell_id: str) -> dict[str, Any] | None:
        """The record of a finished cell, or None. Raises InputError on a damaged or foreign one."""
        path = self.folder / "cells" / cell_id / "record.json"
        if not path.exists():
            return None
        stored = read_json(path)
        digest = stored.pop("sha256", None)
        if stored.get("run") != cell_id or digest != _digest(stored):
            raise InputError(
                f"{path}: damaged, or the record of another cell; move the folder away to train "
                "the cell again"
            )
        return stored

    def curve(self, cell_id: str) -> pd.DataFrame:
        """The curve of a cell that has a record."""
        return pd.read_parquet(self.folder / "cells" / cell_id / "curve.parquet")

    def finished(self, cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
        records = {cell.id: self.record(cell.id) for cell in cells}
        return {run: record for run, record in records.items() if record is not None}

    def done(self, cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
        """What is not to be trained again: all but what failed, which may be well another time."""
        records = self.finished(cells)
        return {run: record for run, record in records.items() if record["status"] != "failed"}

    def write_table(self, cells: Iterable[Cell]) -> pd.DataFrame:
        """`table.parquet` and `table.csv` from the finished cells, in the plan's order."""
        done = self.finished(cells)
        table = table_of(done.values())
        for name in ("table.parquet", "table.csv"):
            try:
                write_table(table, self.folder / name)
            except OSError as error:
                raise _refused(self.folder / name, error) from None
        self.clean()
        return table

    def clean(self) -> None:
        """Drop what interrupted writes left behind, and an empty folder of checkpoints."""
        for partial in self.folder.rglob("*.tmp"):
            partial.unlink(missing_ok=True)
        trunks = self.folder / "trunks"
        if trunks.is_dir() and not any(trunks.iterdir()):
            shutil.rmtree(trunks)


def table_of(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The run table of some records, in their order."""
    records = list(records)
    there = set().union(*records)
    columns = [c for c in TABLE_COLUMNS if c not in OPTIONAL or c in there]
    rows = [
        {c: record.get(c) if c in OPTIONAL else record[c] for c in columns} for record in records
    ]
    counts = [
        c for c in ("N", "N_total", "N_active", "D", "D_unique", "C", "C_6ND") if c in columns
    ]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(counts, "float64"))


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: a JSON object was expected")
    return value


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    write_file(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file all or nothing. Raises InputError where the disk refuses it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot write: {error.strerror or error}; nothing was lost")


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(_finite(value)).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """NaN and infinity have no canonical JSON: a diverged cell's losses are hashed by name."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
