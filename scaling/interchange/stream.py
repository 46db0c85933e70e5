"""A table read in parts and written in parts, with flat memory, however long it is.

The types of its columns are found in a first pass over the file, so that every part has those that
the whole would have; what is written is byte for byte what writing the whole at once gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scaling import files, formats, parquet, schema
from scaling.errors import InputError
from scaling.migrations import migrate
from scaling.table import must_be_file, must_be_table, renamed
from scaling.where import matches

Told = Callable[[int, int], None]  # rows done, of how many
Kinds = dict[str, set[str | None]]  # of the conventions that decide units, all values


@dataclass(frozen=True)
class Copied:
    """How many rows were read, and how many written, of how many columns."""

    read: int
    written: int
    columns: int


@dataclass(frozen=True)
class Survey:
    """The type of each column of a file, the values of its conventions, and its number of rows."""

    types: pa.Schema
    kinds: Kinds
    rows: int


@dataclass(frozen=True)
class Parts:
    """A table's file in parts. columns: as `scaling.table.read_table` takes them."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """The parts, each after how many rows were read for it: the rows that `where` leaves."""
        for frame in self._frames(self._text):
            part = _as(formats.to_arrow(frame), self.survey.types)
            if self.where is not None:
                kept = matches(self._named(part.to_pandas(use_threads=False)), self.where)
                part = part.filter(pa.array(kept))
            yield len(frame), part

    @cached_property
    def survey(self) -> Survey:
        """What the whole file is, from a pass over it."""
        found: dict[str, _Found] = {}
        kinds: Kinds = {}
        parts = rows = 0
        for frame in self._frames(frozenset()):
            part = formats.to_arrow(frame)
            parts, rows = parts + 1, rows + len(part)
            _see_kinds(kinds, part)
            for name, array in zip(part.column_names, part.columns, strict=True):
                found.setdefault(name, _Found(array.type)).see(array)
        types = pa.schema([(name, seen.common(name, parts)) for name, seen in found.items()])
        return Survey(types, kinds, rows)

    @cached_property
    def _text(self) -> frozenset[str]:
        """Columns that hold text somewhere: all of their values are read as text."""
        return frozenset(f.name for f in self.survey.types if pa.types.is_large_string(f.type))

    def _frames(self, text: frozenset[str]) -> Iterator[pd.DataFrame]:
        must_be_file(self.path)
        try:
            for frame in self._read(text):
                yield renamed(self._named(frame), self.columns)
        except (ValueError, OSError) as error:
            raise formats.unreadable(self.path, error) from error

    def _read(self, text: frozenset[str]) -> Iterator[pd.DataFrame]:
        if self.path.suffix == ".parquet":
            version = formats.stated_version(parquet.schema_of(self.path), self.path)
            for part in parquet.batches(self.path, formats.ROWS):
                yield migrate(formats.frame_of_arrow(part), version)
        elif self.path.suffix == ".jsonl":
            with self.path.open(encoding="utf-8") as lines:
                first = 1
                while some := list(islice(lines, formats.ROWS)):
                    yield migrate(formats.frame_of_lines(some, self.path, first), 0)
                    first += len(some)
        else:
            options = formats.csv_options(self.path)
            options["dtype"] |= dict.fromkeys(text, "str")
            with pd.read_csv(self.path, chunksize=formats.ROWS, **options) as chunks:
                for frame in chunks:
                    yield migrate(formats.numbers(frame), 0)

    def _named(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame.attrs["source"] = str(self.path)
        return frame


@dataclass
class _Found:
    """What the parts of a column are: `blank` where no part has a value."""

    blank: pa.DataType
    types: set[pa.DataType] = field(default_factory=set)
    parts: int = 0
    gaps: bool = False

    def see(self, array: pa.ChunkedArray) -> None:
        self.parts += 1
        self.gaps |= array.null_count > 0
        if array.null_count < len(array):
            self.types.add(array.type)

    def common(self, name: str, parts: int) -> pa.DataType:
        """The one type of the whole, as reading it at once finds it."""
        if not self.types:
            return self.blank
        numbers = [t for t in self.types if pa.types.is_integer(t) or pa.types.is_floating(t)]
        if len(self.types) == 1:
            (only,) = self.types
            gaps = self.gaps or self.parts < parts
            # pandas has no integers with gaps; the schema's are integers again.
            foreign = gaps and pa.types.is_integer(only) and name not in schema.names("int")
            return pa.float64() if foreign else only
        return pa.float64() if len(numbers) == len(self.types) else pa.large_string()


def _see_kinds(kinds: Kinds, part: pa.Table) -> None:
    for name in formats.UNITS_BY & set(part.column_names):
        kinds.setdefault(name, set()).update(part[name].unique().to_pylist())


def _as(part: pa.Table, types: pa.Schema) -> pa.Table:
    """The part with all columns of the whole, each of its type."""
    told = {f.name: f.metadata for f in part.schema}
    arrays = [
        part[f.name].cast(f.type, safe=False) if f.name in told else pa.nulls(len(part), f.type)
        for f in types
    ]
    return pa.table(arrays, schema=types)


def copy(source: Parts, to: Path, tell: Told = lambda done, total: None) -> Copied:
    """Write a table's rows to another file, whole or not at all.

    Raises InputError where the source cannot be read or no row is left.
    """
    total = written = source.survey.rows
    kinds = source.survey.kinds
    if not total:
        raise InputError(f"{source.path}: the table has no rows")
    if source.where is not None:
        written, kinds = 0, {}
        for _, part in source.tables():
            written += len(part)
            _see_kinds(kinds, part)
    if not written:
        raise InputError(f"{source.path}: none of its {total} rows satisfies {source.where}")
    types = formats.with_metadata(source.survey.types, kinds)
    with files.writing(to) as out:
        done = 0
        if to.suffix == ".parquet":
            with pq.ParquetWriter(out, types) as writer:
                for part in _full(source, total, tell):
                    writer.write_table(part.cast(types), row_group_size=formats.ROWS)
        else:
            for part in _full(source, total, tell):
                formats.write_text(part, out, to.suffix, before=done)
                done += len(part)
    return Copied(total, written, len(types))


def _full(source: Parts, total: int, tell: Told) -> Iterator[pa.Table]:
    """The rows in parts of a row group each; the last may be shorter."""
    waiting: list[pa.Table] = []
    done = 0
    for read, part in source.tables():
        done += read
        tell(done, total)
        waiting.append(part)
        while sum(map(len, waiting)) >= formats.ROWS:
            rows = pa.concat_tables(waiting)
            yield rows.slice(0, formats.ROWS)
            waiting = [rows.slice(formats.ROWS)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting).combine_chunks()


def must_be_new(to: Path, sources: tuple[Path, ...], *, force: bool) -> None:
    """Raise InputError for an output that is no table, has no folder, or is already there."""
    must_be_table(to)
    if not to.parent.is_dir():
        raise InputError(f"{to}: no such folder {to.parent}")
    if to.is_dir():
        raise InputError(f"{to}: a folder, not a table")
    if to.exists() and not force:
        what = "the input itself" if any(to.samefile(s) for s in sources if s.exists()) else "there"
        raise InputError(f"{to}: is {what}; choose another name, or --force to write over it")
