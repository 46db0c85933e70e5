"""CSV and its kin: the delimiter found, comments and blank rows skipped, odd rows refused."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import IO, Any

import pandas as pd

from scaling.errors import InputError
from scaling.importers.formats.frame import EMPTY, ROWS, Frame, frame

SNIFFED = 1 << 16  # bytes of the beginning that the delimiter is found in
_DELIMITERS = (",", "\t", ";", "|")
_WORDS = {",": "','", "\t": "a tab", ";": "';'", "|": "'|'", r"\s+": "spaces"}
_BOM = b"\xef\xbb\xbf"
_TOO_MANY = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


def frames(file: IO[bytes], source: str) -> Iterator[Frame]:
    """The rows of a delimited text, some at a time. Raises InputError with the row at fault."""
    lines = _Lines(file)
    head = lines.peek(SNIFFED)
    names, delimiter, decimal = _sniffed(head, source)
    first, cut = 1, False
    try:
        reader = pd.read_csv(
            io.BufferedReader(lines),
            sep=delimiter,
            decimal=decimal,
            chunksize=ROWS,
            keep_default_na=False,
            na_values=[*sorted(EMPTY - {"-"}), "NA", "N/A", "NULL", "None", "#N/A", "<NA>"],
            encoding="utf-8",
        )
        for df in reader:
            if df.empty:  # a header alone
                continue
            df.columns = pd.Index(names)
            notes: tuple[str, ...] = ()
            df = df.reset_index(drop=True)
            _one_delimiter(df, delimiter, first, source)
            cut = lines.ended_within_a_line
            last = df.iloc[-1]
            if cut and len(names) > 1 and pd.isna(last.iloc[-1]):
                notes = (f"row {first + len(df) - 1} ends too soon: the file was cut short",)
                df = df.iloc[:-1]
            if len(df):
                yield frame(df, first, notes)
            first += len(df)
    except pd.errors.ParserError as error:
        if found := _TOO_MANY.search(str(error)):
            expected, line, saw = found.groups()
            raise InputError(
                f"{source}: line {line} has {saw} fields, the header {expected}; quote fields that "
                f"hold {_WORDS[delimiter]}, or divide all lines alike"
            ) from error
        raise InputError(f"{source}: cannot be read as a table: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: not UTF-8 ({error.reason} at byte {error.start}); store it as UTF-8"
        ) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{source}: the table has no rows") from error


class _Lines(io.RawIOBase):
    """A file without its byte-order mark, lines of comments blank: so line numbers stay right."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ready = b""
        self._rest = b""
        self._begun = False
        self.ended_within_a_line = False

    def peek(self, size: int) -> bytes:
        while len(self._ready) < size and self._fill():
            pass
        return self._ready[:size]

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._ready and self._fill():
            pass
        taken = self._ready[: len(into)]
        into[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _fill(self) -> bool:
        block = self._file.read(1 << 20)
        if not self._begun:
            block, self._begun = block.removeprefix(_BOM), True
        whole = self._rest + block
        if block:
            at = whole.rfind(b"\n") + 1
            whole, self._rest = whole[:at], whole[at:]
        else:
            self.ended_within_a_line |= bool(self._rest)
            self._rest = b""
        if whole.startswith(b"#") or b"\n#" in whole:
            kept = [b"" if line.startswith(b"#") else line for line in whole.split(b"\n")]
            whole = b"\n".join(kept)
        self._ready += whole
        return bool(block)


def _sniffed(head: bytes, source: str) -> tuple[list[str], str, str]:
    """The header's names, the delimiter, and what stands before decimals."""
    if b"\x00" in head:
        raise InputError(f"{source}: not a text; a table is CSV, TSV, JSONL, Parquet or Excel")
    text = head.decode("utf-8", errors="ignore")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{source}: the table has no rows")
    delimiter = max(_DELIMITERS, key=lambda each: len(_split(lines[0], each)))
    names = _split(lines[0], delimiter)
    if len(names) == 1 and len(lines[0].split()) > 1:
        delimiter, names = r"\s+", lines[0].split()
    names = [name.strip() for name in names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{source}: {names.count(twice[0])} columns are called {twice[0]!r}; "
                         "give each a name of its own")  # fmt: skip
    if all(re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", name, re.IGNORECASE) for name in names):
        raise InputError(f"{source}: its first line holds numbers; put the columns' names there")
    rows = [_split(line, delimiter) for line in lines[1:50]]
    fields = [field.strip() for row in rows for field in row]
    commas = any(map(_DECIMAL_COMMA.fullmatch, fields))
    points = any(map(_DECIMAL_POINT.fullmatch, fields))  # so that commas divide thousands
    return names, delimiter, "," if commas and not points and delimiter == ";" else "."


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == r"\s+":
        return line.split()
    return next(csv.reader([line], delimiter=delimiter))


def _one_delimiter(df: pd.DataFrame, delimiter: str, first: int, source: str) -> None:
    """Rows of which all stands in the first column are divided by something else."""
    if len(df.columns) < 2 or pd.api.types.is_numeric_dtype(df.iloc[:, 0]):
        return
    alone = df.iloc[:, 1:].isna().all(axis=1).to_numpy()
    for i in alone.nonzero()[0].tolist():
        text = str(df.iloc[i, 0])
        for other in set(_DELIMITERS) - {delimiter}:
            if len(_split(text, other)) >= len(df.columns):
                raise InputError(
                    f"{source}: row {first + i} is divided by {_WORDS[other]}, the header by "
                    f"{_WORDS[delimiter]}; divide all rows alike"
                )
