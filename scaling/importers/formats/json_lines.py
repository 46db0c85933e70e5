"""JSONL: an object a line, nested keys joined by `.`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.json

from scaling.errors import InputError
from scaling.importers.formats.frame import Frame, frame
from scaling.importers.nested import flat

_BLOCK = 1 << 24  # bytes parsed at once


def frames(file: IO[bytes], source: str) -> Iterator[Frame]:
    """The rows of a JSONL file, some at a time. Raises InputError with the row at fault; a last
    line that was cut short is told."""
    first, rest = 1, b""
    while True:
        block = file.read(_BLOCK)
        whole = rest + block
        if block:
            at = whole.rfind(b"\n") + 1
            whole, rest = whole[:at], whole[at:]
        else:
            rest = b""
        if whole.strip():
            df, notes = _rows(whole, first, source, last=not block)
            if len(df):
                yield frame(df, first, notes)
            first += len(df)
        if not block:
            return


def _rows(
    text: bytes, first: int, source: str, *, last: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(text), read_options=pyarrow.json.ReadOptions(use_threads=False)
        )
        while any(pa.types.is_struct(column.type) for column in table.schema):
            table = table.flatten()
        return table.to_pandas(use_threads=False), ()
    except pa.ArrowInvalid:  # NaN, or an error whose row only a parse by line tells
        return _by_line(text, first, source, last=last)


def _by_line(
    text: bytes, first: int, source: str, *, last: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    rows: list[dict[str, Any]] = []
    lines = [line for line in text.split(b"\n") if line.strip()]
    for i, line in enumerate(lines):
        try:
            row = json.loads(line)
        except ValueError as error:
            if last and i == len(lines) - 1:
                told = f"row {first + i} ends too soon: the file was cut short"
                return pd.DataFrame(rows), (told,)
            raise InputError(f"{source}: row {first + i} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f'{source}: row {first + i} is no object, such as {{"step": 1}}')
        rows.append(flat(row))
    return pd.DataFrame(rows), ()
