"""Tables of runs: CSV, TSV, JSONL, Parquet, Excel. One row a run, or a log of many rows a run.

A table with a column of run ids that repeat is a log, and so is one whose steps go up from row to
row: it is one run's. Files are read in pieces, whatever their size; the rows of a run need not
stand together, since parts of one id are joined later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import PurePosixPath
from typing import IO

import numpy as np
import pandas as pd

from scaling import parquet
from scaling.errors import InputError
from scaling.importers.columns import NAMES, plain, rank
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.formats import delimited, json_lines, workbook
from scaling.importers.formats.frame import ROWS, Frame, frame

NAME = "table"
ABOUT = "CSV, TSV, JSONL, Parquet, Excel: one row a run, or a log with a column of run ids"
EXAMPLE = "runs.csv"
USUAL: Mapping[str, Sequence[str]] = {name: NAMES[name].others for name in ("step", "loss")}
OPTIONS = ("sheet", "run")
EACH = "each"  # as `run`: every row is a run
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".xlsx")
_NAMES = ("name", "exp_name", "experiment", "id")  # of runs, where no two are alike
_SERIES = ("split", "phase", "subset", "metric", "key", "tag", "mode", "dataset")
_ONE = ("N", "N_total", "N_unstated", "seed")  # of which a run has one value
_LOGGED = 0.9  # of its steps go up, in a log of one run


def recognises(source: str) -> bool:
    return _suffix(source) in set(SUFFIXES) - {".txt"}


def read(source: str, sheet: str | None = None, run: str | None = None) -> Iterator[LoggedRun]:
    """The runs of a table. sheet: of a workbook; run: the column that tells runs apart, several
    joined by `+`, or `each` where every row is one."""
    with _opened(source) as file:
        pieces = _frames(file, source, sheet)
        head = next(pieces, None)
        if head is None:
            raise InputError(f"{source}: the table has no rows")
        columns = _run_columns(head.df, run, source)
        if columns == () and run != EACH and _is_one_log(head.df, source):
            _one_series(head.df, None, source)
            yield from _log(chain([head], pieces), source, None)
        elif columns and head.df.duplicated(list(columns)).any():
            _one_series(head.df, columns, source)
            yield from _log(chain([head], pieces), source, columns)
        else:
            for piece in chain([head], pieces):
                yield from _each(piece, source, columns, placed=run in (None, EACH))


def _suffix(source: str) -> str:
    path = PurePosixPath(source.partition("?")[0])
    return (PurePosixPath(path.stem) if path.suffix in (".gz", ".zst", ".xz") else path).suffix


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    import fsspec

    try:
        with fsspec.open(source, "rb", compression="infer") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{source}: a folder, not a table") from None
    except (PermissionError, ImportError) as error:  # or the package of a protocol is missing
        raise InputError(f"{source}: cannot be opened: {error}") from None


def _frames(file: IO[bytes], source: str, sheet: str | None) -> Iterator[Frame]:
    suffix = _suffix(source)
    if sheet is not None and suffix != ".xlsx":
        raise InputError(f"--sheet {sheet}: {source} is no workbook; sheets are of .xlsx files")
    if suffix == ".parquet":
        return _parquet(file, source)
    if suffix == ".xlsx":
        return workbook.frames(file, source, sheet)
    if suffix in (".jsonl", ".ndjson"):
        return json_lines.frames(file, source)
    if suffix in (".csv", ".tsv", ".txt"):
        return delimited.frames(file, source)
    raise InputError(f"{source}: a table ends in one of {', '.join(SUFFIXES)}")


def _parquet(file: IO[bytes], source: str) -> Iterator[Frame]:
    first = 1
    try:
        for part in parquet.batches(file, ROWS):
            df = part.to_pandas(use_threads=False)
            yield frame(df, first)
            first += len(df)
    except (ValueError, OSError) as error:  # Arrow's errors are among them
        raise InputError(f"{source}: no whole Parquet file: {error}") from error


def _run_columns(df: pd.DataFrame, run: str | None, source: str) -> tuple[str, ...]:
    """The columns that tell runs apart; none where no name says so."""
    if run == EACH:
        return ()
    if run is not None:
        columns = tuple(name.strip() for name in run.split("+"))
        for name in columns:
            if name not in df.columns:
                raise InputError(f"{source}: no column {name}; it has {', '.join(df.columns)}")
        return columns
    found = [(place, str(c)) for c in df.columns if (place := rank("run", str(c))) is not None]
    if found:
        return (min(found)[1],)
    named = [str(c) for c in df.columns if plain(str(c)) in _NAMES and df[c].is_unique]
    return tuple(named[:1])


def _is_one_log(df: pd.DataFrame, source: str) -> bool:
    """Whether steps go up from row to row, but for restarts, and all are of one size and seed.

    Raises InputError where each of several sizes or seeds has such rows: they may be a log of
    several runs, or many runs sorted by their lengths.
    """
    names = [str(name) for name in df.columns if pd.api.types.is_numeric_dtype(df[name])]
    step = next((name for name in names if rank("step", name) is not None), None)
    if step is None or not _goes_up(df[step]):
        return False
    of_one = [name for name in names if any(rank(ours, name) is not None for ours in _ONE)]
    several = [name for name in of_one if df[name].nunique() > 1]
    if not several:
        return True
    if plain(step).endswith("s"):
        return False  # `steps` are how many a run had, `step` is where it was
    groups = df.groupby(several, sort=False)[step]
    if any(_goes_up(group) for _, group in groups):
        told = "+".join(several)
        raise InputError(
            f"{source}: {told} has {groups.ngroups} values, and {step} goes up from row to row: "
            f"say whether they are {groups.ngroups} runs (--map run={told}) or every row is one "
            f"(--map run={EACH})"
        )
    return False


def _goes_up(steps: pd.Series) -> bool:
    values = steps.dropna().to_numpy(float)
    more = len(values) > 2 and values.min() < values.max()
    return more and bool(np.mean(np.diff(values) >= 0) >= _LOGGED)


def _each(
    piece: Frame, source: str, columns: tuple[str, ...], *, placed: bool
) -> Iterator[LoggedRun]:
    """A run from each row. placed: nobody said that its id is known in other tables."""
    values = {str(name): piece.df[name].tolist() for name in piece.df.columns}
    for i in range(len(piece.df)):
        row = {}
        for name, column in values.items():
            value = column[i]
            nan = value is None or (isinstance(value, float) and math.isnan(value))
            if nan and not (name in piece.nan and piece.nan[name][i]):
                continue
            row[name] = _scalar(value)
        number = piece.first + i
        joined = "+".join(_text(row[name]) for name in columns if name in row)
        yield LoggedRun(
            id=joined or f"row {number}",
            origin=f"{source}, row {number}",
            name=joined,
            config=row,
            notes=piece.notes if i == 0 else (),
            placed=placed,
        )


def _one_series(df: pd.DataFrame, columns: tuple[str, ...] | None, source: str) -> None:
    """Raise InputError for a log that holds several series under one name, told apart by a word."""
    groups = df.groupby(list(columns), sort=False) if columns else df
    for name in df.columns:
        if plain(str(name)) not in _SERIES or name in (columns or ()):
            continue
        if int(np.max(groups[name].nunique())) > 1:
            words = [str(word) for word in df[name].dropna().unique()[:5]]
            raise InputError(
                f"{source}: {name} is several things within a run ({', '.join(words)}); keep one: "
                f"scaling table filter {source} --where \"{name} == '{words[-1]}'\""
            )


def _log(
    pieces: Iterator[Frame], source: str, columns: tuple[str, ...] | None
) -> Iterator[LoggedRun]:
    """Runs of many rows. The last one of a piece may go on in the next: it waits for it."""
    held: LoggedRun | None = None
    for piece in pieces:
        for run in _parts(piece, source, columns):
            if held is not None and held.id == run.id:
                held = _joined(held, run)
                continue
            if held is not None:
                yield held
            held = run
    if held is not None:
        yield held


def _parts(piece: Frame, source: str, columns: tuple[str, ...] | None) -> Iterator[LoggedRun]:
    """The runs of a piece, each of its rows in the order in which they stand."""
    df = piece.df
    if columns is not None and (empty := df[list(columns)].isna().any(axis=1).to_numpy()).any():
        raise InputError(
            f"{source}: row {piece.first + int(empty.argmax())} says no {'+'.join(columns)}, by "
            "which runs are told apart"
        )
    if columns is None:
        ids, codes = [PurePosixPath(source).stem], np.zeros(len(df), int)
    else:
        codes, ids = _ids(df, columns)
    order: np.ndarray | None = None
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
    numbers: dict[str, np.ndarray] = {}
    words: dict[str, np.ndarray] = {}
    for name in df.columns:
        values = df[name].to_numpy()
        values = values if order is None else values[order]
        numeric = values.dtype != object and values.dtype.kind in "biuf"
        (numbers if numeric else words)[str(name)] = values
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(df)]
    for start, stop in pairwise(bounds):
        which = ids[codes[start]]
        config = {name: _scalar(v[start]) for name, v in words.items() if v[start] is not None}
        yield LoggedRun(
            id=which,
            origin=source,
            name=which,
            config=config,
            history={name: values[start:stop] for name, values in numbers.items()},
            notes=piece.notes if start == 0 else (),
            placed=columns is None,
        )


def _ids(df: pd.DataFrame, columns: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Of each row which run it is of, and the runs' ids, in the order in which they come."""
    if len(columns) == 1:
        codes, values = pd.factorize(df[columns[0]], use_na_sentinel=False)
        return np.asarray(codes), [_text(value) for value in values]
    groups = df.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()
    _, first = np.unique(groups, return_index=True)
    rows = df[list(columns)].iloc[first].itertuples(index=False)
    return groups, ["+".join(map(_text, row)) for row in rows]


def _joined(before: LoggedRun, after: LoggedRun) -> LoggedRun:
    """A run and its rows in the next piece, where a column may hold other things."""
    names = dict.fromkeys([*before.history, *after.history])
    parts = (before, after)
    lengths = [len(next(iter(part.history.values()), ())) for part in parts]

    def column(name: str) -> np.ndarray:
        return np.concatenate(
            [
                part.history.get(name, np.full(length, np.nan))
                for part, length in zip(parts, lengths, strict=True)
            ]
        )

    return LoggedRun(
        id=before.id,
        origin=before.origin,
        name=before.name,
        config={**after.config, **before.config},
        history={name: column(name) for name in names},
        notes=before.notes + after.notes,
        placed=before.placed,
    )


def _scalar(value: object) -> Scalar:
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float) else str(value)


def _text(value: object) -> str:
    """An id as it is written: 7, not 7.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
