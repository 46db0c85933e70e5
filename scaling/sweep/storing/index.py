"""One compact file of all records, so that a table of 100,000 cells takes seconds.

`index.parquet` has a row for each record and, with it, the stamps of its files: sizes and times, or
a store's own tags. What has another stamp than its row is read anew; an index that is lost, torn or
of another version is made again. It is written whole, so that of two drivers the later one wins,
and what the other knew is read again: nothing hangs on it but time.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from scaling import files, parquet
from scaling.sweep.storing.columns import joined, rows_of
from scaling.sweep.storing.records import CELL, CURVE, RECORD, DamagedError, opened

if TYPE_CHECKING:
    from scaling.files import Place

FILE = "index.parquet"
# Raised when rows are made in another way: an older index is then made again.
VERSION = b"1"
STAMP, FINDINGS = "stamp", "findings"
# Of a record, beside what a table has: what `status` tells of.
MORE = ("steps", "seconds", "predicted_seconds", "flops_spent", "started_at", "trained_at")
_AT_ONCE = 4096  # records in memory while an index is made
_REQUESTS = 32  # of a store, at the same time


@dataclass(frozen=True)
class Index:
    """rows: of all whole records; damaged: the others, by cell; read: how many were read to know
    it; stamps: of all of them, by cell."""

    rows: pa.Table
    damaged: Mapping[str, DamagedError]
    read: int
    stamps: Mapping[str, str]

    def of(self, runs: list[str]) -> pa.Table:
        """The rows of those cells that have one, in the order asked for."""
        number = {run: i for i, run in enumerate(self.rows["run"].to_pylist())}
        there = [number[run] for run in runs if run in number]
        return self.rows.take(pa.array(there, pa.int64()))

    def statuses(self, runs: list[str]) -> dict[str, str]:
        """Of those cells that have a record."""
        rows = self.of(runs)
        return dict(zip(rows["run"].to_pylist(), rows["status"].to_pylist(), strict=True))


def look(root: Place, before: Index | None = None) -> Index:
    """What the study at `root` has records of, as the index tells and its files say by now.

    before: of an earlier look, that stands in for the index: so who looks again reads what is new.
    """
    stamps = _stamps(root / "cells")
    if before is not None and before.stamps == stamps:
        return replace(before, read=0)
    known = _load(root / FILE) if before is None else before.rows
    old = zip(known["run"].to_pylist(), known[STAMP].to_pylist(), strict=True)
    fresh = [stamps.get(run) == stamp for run, stamp in old]
    kept = known.filter(pa.array(fresh, pa.bool_()))
    left = sorted(stamps.keys() - set(kept["run"].to_pylist()))
    parts, damaged = [kept], dict[str, DamagedError]()
    for start in range(0, len(left), _AT_ONCE):
        found = []
        for run, record in _read(root / "cells", left[start : start + _AT_ONCE]):
            if isinstance(record, DamagedError):
                damaged[run] = record
            elif record is not None:
                told = record.get(FINDINGS)
                findings = json.dumps(told) if told else None
                found.append({**record, FINDINGS: findings, STAMP: stamps[run]})
        parts.append(_rows(found))
    whole = kept if not left else joined(parts)
    return Index(whole, damaged, len(left) + fresh.count(False), stamps)


def save(root: Place, index: Index) -> None:
    """Write the index, with checksums of its pages."""
    out = io.BytesIO()
    rows = index.rows.replace_schema_metadata({b"scaling_index": VERSION})
    pq.write_table(rows, out, write_page_checksum=True)
    files.write(root / FILE, out.getvalue())


def _load(path: Place) -> pa.Table:
    """The index as it was left; empty where it can't be used."""
    try:
        raw = files.read(path)
        rows = parquet.read(io.BytesIO(raw), checked=True)
        if (rows.schema.metadata or {}).get(b"scaling_index") == VERSION:
            return rows
    except (FileNotFoundError, pa.ArrowException, OSError, ValueError):
        pass  # torn, or never made: that costs only the time to make it again
    return none()


def none() -> pa.Table:
    """The rows of no records."""
    return _rows([])


def _rows(records: list[dict[str, Any]]) -> pa.Table:
    return rows_of(records, (*MORE, FINDINGS, STAMP))


def _read(
    cells: Place, runs: list[str]
) -> Iterator[tuple[str, dict[str, Any] | DamagedError | None]]:
    def one(run: str) -> dict[str, Any] | DamagedError | None:
        try:
            return opened(cells / run)
        except DamagedError:
            try:
                return opened(cells / run)  # it may have been stored anew while we read it
            except DamagedError as error:
                return error

    if files.is_local(cells):
        yield from ((run, one(run)) for run in runs)
    else:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            yield from zip(runs, pool.map(one, runs), strict=True)


def _stamps(cells: Place) -> dict[str, str]:
    """Of every cell that has a record: the stamps of its files."""
    if isinstance(cells, Path):
        return _stamps_here(f"{cells}/", files.names(cells))
    found: dict[str, dict[str, str]] = {}
    for path, facts in cells.fs.find(cells.path, detail=True).items():
        run, _, name = path.removeprefix(cells.path).lstrip("/").partition("/")
        if name in (RECORD, CURVE, CELL):
            found.setdefault(run, {})[name] = files.stamp_of(facts)
    return {run: _joined(own) for run, own in found.items() if RECORD in own}


def _stamps_here(cells: str, runs: list[str]) -> dict[str, str]:
    """By as few calls as will do: three a cell."""
    found, stat = {}, os.stat
    for run in runs:
        own = {}
        for name in (RECORD, CURVE, CELL):
            try:
                own[name] = files.stamp_of(stat(f"{cells}{run}/{name}"))
            except (FileNotFoundError, NotADirectoryError):
                if name == RECORD:
                    break
        else:
            found[run] = _joined(own)
    return found


def _joined(own: Mapping[str, str]) -> str:
    return "|".join(own.get(name, "") for name in (RECORD, CURVE, CELL))
