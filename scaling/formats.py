"""A run table's file of each kind: CSV, TSV, Parquet, JSON lines. Equal tables give equal bytes.

Columns that the schema knows have its types in every kind of file, so that a table converted there
and back is the same. Parquet carries the schema's version, and the unit and meaning of each column.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scaling import parquet, schema
from scaling.errors import InputError
from scaling.migrations import migrate, version_of

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
VERSION_KEY = b"scaling.schema"
ROWS = 1 << 17  # of a row group: whoever streams a table holds no more of it
UNITS_BY = {"D_kind", "L_kind"}  # conventions that decide units of columns
_ARROW = {"str": pa.large_string(), "int": pa.int64(), "float": pa.float64()}


def read(path: Path) -> pd.DataFrame:
    """A table's file, in this schema version. Raises InputError where it cannot be read."""
    try:
        if path.suffix == ".parquet":
            table = parquet.read(path)
            return migrate(frame_of_arrow(table), stated_version(table.schema, path))
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as lines:
                return migrate(frame_of_lines(lines, path), 0)
        return migrate(numbers(pd.read_csv(path, **csv_options(path))), 0)
    except (ValueError, OSError) as error:  # parser, unicode and arrow errors are among them
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError:
    """The error of a file that cannot be read, on one line."""
    if isinstance(error, InputError):
        return error
    if path.is_file() and path.stat().st_size == 0:
        return InputError(f"{path}: the file is empty; a table has a row of names, then its rows")
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(f"{path}: cannot be read as {path.suffix[1:]}: {first}")


def stated_version(stated: pa.Schema, source: Path) -> int:
    """The schema version of a Parquet file. Raises InputError for one not known here."""
    said = (stated.metadata or {}).get(VERSION_KEY)
    return version_of(None if said is None else said.decode(errors="replace"), str(source))


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """A Parquet file's rows: an index that pandas stored by name is a column as any other, nested
    values are canonical JSON as those of JSON lines are."""
    frame = table.to_pandas(use_threads=False)
    for name in (field.name for field in table.schema if pa.types.is_nested(field.type)):
        frame[name] = [_scalar(value) for value in table[name].to_pylist()]
    unnamed = frame.index.names == [None]
    plain: pd.DataFrame = frame.reset_index(drop=unnamed)
    return plain


def csv_options(path: Path) -> dict[str, Any]:
    """How pandas reads a CSV or TSV: the schema's text is text, whatever it looks like."""
    text: dict[str, Any] = dict.fromkeys(schema.names("str"), "str")
    return {"sep": SEPARATORS[path.suffix], "dtype": text, "low_memory": False}


def numbers(df: pd.DataFrame) -> pd.DataFrame:
    """The table with the schema's numbers as such: pandas leaves integers beyond 64 bits text."""
    for name in schema.names("float", "int"):
        if name in df.columns and df[name].dtype.kind not in "iufb":
            found = pd.to_numeric(df[name], errors="coerce")
            if bool((found.notna() == df[name].notna()).all()):
                df[name] = found.astype("float64")
    return df


def frame_of_lines(lines: Iterable[str], source: Path, first: int = 1) -> pd.DataFrame:
    """JSON lines as a table: an object a line, null or absent for what is missing. first: the
    number of the first of these lines, for errors."""
    rows = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{source}: line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{source}: line {number} is no object: each line is a row, "
                             '{"N": 1e6, "D": 1e8, "loss": 3.2}')  # fmt: skip
        rows.append({name: _scalar(value) for name, value in row.items()})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return numbers(pd.DataFrame(rows, columns=columns))


def _scalar(value: Any) -> Any:
    """A nested value as its canonical JSON, as `config` and `recipe` are kept."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return value


def to_arrow(df: pd.DataFrame) -> pa.Table:
    """A table with the schema's types and metadata; what its type doesn't hold stays as it is.

    Raises InputError for a column of text and numbers together.
    """
    arrays = {}
    for name in map(str, df.columns):
        try:
            array = pa.array(df[name], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            source = df.attrs.get("source", "table")
            raise InputError(
                f"{source}: column {name} holds values of several kinds ({error}); make them all "
                "numbers or all text"
            ) from None
        arrays[name] = _typed(array, schema.find(name))
    table = pa.table(arrays)
    kinds = {name: set(df[name].unique()) for name in UNITS_BY & set(arrays)}
    return table.cast(with_metadata(table.schema, kinds))


def _typed(array: pa.Array, column: schema.Column | None) -> pa.Array:
    """The array in its column's type, where that loses nothing."""
    if column is None or (column.type != "str" and pa.types.is_large_string(array.type)):
        return array
    try:
        return array.cast(_ARROW[column.type])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return array


def with_metadata(types: pa.Schema, kinds: Mapping[str, set[Any]]) -> pa.Schema:
    """The columns with their units and meanings, and the schema's version.

    kinds: the values of `D_kind` and `L_kind` in the table, which decide some units.
    """
    stated = {
        name: str(value)
        for name, values in kinds.items()
        for value in values
        if len(values) == 1 and pd.notna(value)
    }
    fields = [one.with_metadata(_told(one.name, stated)) for one in types]
    return pa.schema(fields, {VERSION_KEY: str(schema.VERSION)})


def _told(name: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """A field's metadata; none for a column that the schema doesn't know."""
    column = schema.find(name)
    if column is None:
        return {}
    unit = column.unit_in(kinds)
    return {"description": column.about, **({"unit": unit} if unit else {})}


def to_bytes(df: pd.DataFrame, suffix: str) -> bytes:
    """A table's file, of the kind that its name's suffix says; KeyError for any other."""
    out = io.BytesIO()
    table = to_arrow(df)
    if suffix == ".parquet":
        pq.write_table(table, out, row_group_size=ROWS)
    else:
        write_text(table, out, suffix)
    return out.getvalue()


def write_text(table: pa.Table, out: IO[bytes], suffix: str, *, before: int = 0) -> None:
    """Rows as CSV, TSV or JSON lines. before: how many were written before; without any, CSV and
    TSV begin with the names of the columns."""
    if suffix == ".jsonl":
        for number, row in enumerate(table.to_pylist(), before + 1):
            out.write(_line(row, number))
        return
    # Integers with gaps stay integers. A float is written as its shortest exact form, so that text
    # round-trips to the bit.
    frame = table.to_pandas(use_threads=False, integer_object_nulls=True)
    text = frame.to_csv(sep=SEPARATORS[suffix], index=False, header=not before, lineterminator="\n")
    out.write(text.encode())


def _line(row: Mapping[str, Any], number: int) -> bytes:
    try:
        # Times and the like are text, as in CSV.
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
        return f"{text}\n".encode()
    except ValueError:
        bad = ", ".join(n for n, v in row.items() if isinstance(v, float) and v - v != 0)
        raise InputError(
            f"row {number}: {bad} is infinite, for which JSON has no number; write .csv or "
            ".parquet, or leave such rows out (scaling table filter)"
        ) from None
