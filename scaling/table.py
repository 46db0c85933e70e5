"""The run table: a pandas DataFrame, one row a (run, tokens) point.

Columns and conventions are in `scaling.schema` (docs/run-table.md). A table needs only the columns
that a law asks for (N, D, loss); everything else passes through.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scaling import files, formats
from scaling.errors import InputError
from scaling.places import beside
from scaling.units import GAINS, METRICS, UNSTATED
from scaling.where import matches

CONVENTIONS = ("N_kind", "C_kind", "L_kind", "D_kind")
GAP = "gap"  # of the held-out over the training loss
FAMILY = "family"  # the column that says which model family a row is of
ALIASES = {"L": "loss"}
TABLES = formats.SUFFIXES


@dataclass(frozen=True)
class LeftOut:
    """Rows that a fit does not see, and why."""

    rows: int
    reason: str

    def __str__(self) -> str:
        return f"{self.rows} row{'s' if self.rows != 1 else ''} left out: {self.reason}"


def read_table(
    path: str | os.PathLike[str], columns: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Read a CSV, TSV, Parquet or JSONL table, by its suffix, of any schema version known here.

    `columns` maps our names to the file's (`{"N": "params", "loss": "val_loss"}`; `L` is `loss`). A
    known metric as L (`{"L": "top1_error"}`) gives its name to `L_kind`; one of which more is
    better stands as one less it; `gap` is that of the held-out over the training loss, where the
    file has both. The file's name goes along in `df.attrs["source"]`, so that later
    errors can name it.
    Raises InputError for a missing, empty or unreadable file, or an unknown column.
    """
    path = Path(path)
    must_be_file(path)
    df = formats.read(path)
    df.attrs["source"] = str(path)
    if df.empty:
        raise InputError(f"{path}: the table has no rows")
    return renamed(df, columns or {})


def must_be_table(path: Path) -> None:
    """Raise InputError for a name that no table has."""
    if path.suffix not in TABLES:
        raise InputError(f"{path}: a table ends in one of {', '.join(TABLES)}")


def must_be_file(path: Path) -> None:
    """Raise InputError unless a table's file is there."""
    must_be_table(path)
    if not path.is_file():
        if path.is_dir():
            raise InputError(f"{path}: a folder, not a table; a study's is {path}/table.parquet")
        if re.match(r"\w{2,}:/", str(path)):
            raise InputError(f"{path}: a table is read from this machine; copy it here first")
        raise InputError(f"{path}: no such file; {beside(path, TABLES)}")


def table_of(table: pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
    """A table, or the one that is read from a path."""
    return table if isinstance(table, pd.DataFrame) else read_table(table)


def renamed(df: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The table with our names for some of its columns, as `read_table` takes them."""
    for ours, theirs in columns.items():
        if theirs == GAP:
            df = with_gap(df)
        if theirs not in df.columns:
            raise InputError(f"{source_of(df)}: {_missing(theirs, df.columns)}")
        name = ALIASES.get(ours, ours)
        df = with_loss(df, theirs) if name == "loss" else df.assign(**{name: df[theirs]})
    return df


def with_gap(df: pd.DataFrame) -> pd.DataFrame:
    """The table with the column `gap`, where it has none and both losses."""
    if GAP in df.columns or not {"loss", "train_loss"} <= set(df.columns):
        return df
    return df.assign(**{GAP: df["loss"] - df["train_loss"]})


def with_loss(df: pd.DataFrame, column: str) -> pd.DataFrame:
    """The table with `column` as its loss: a metric gives its name to `L_kind`, and of one of which
    more is better stands one less it; `loss_se` is the column's own, or none."""
    if column == "loss":
        return df
    had_loss, error = "loss" in df.columns, f"{column}_se"
    values = df[column]
    if column in GAINS:
        values = 1 - pd.to_numeric(values, errors="coerce")
    df = df.assign(loss=values)
    if column in METRICS or column in GAINS or (had_loss and "L_kind" in df.columns):
        df = df.assign(L_kind=GAINS.get(column, column))
    if error in df.columns:
        return df.assign(loss_se=df[error])
    if had_loss:  # its standard error is none of this column's
        return df.drop(columns="loss_se", errors="ignore")
    return df


def write_table(df: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table atomically, by its suffix; equal tables give equal bytes.

    Parquet carries the schema's version and each column's unit and meaning (docs/run-table.md).
    """
    path = Path(path)
    must_be_table(path)
    write_bytes(formats.to_bytes(df, path.suffix), path)


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write a text file atomically, in UTF-8."""
    write_bytes(text.encode(), path)


def write_bytes(data: bytes, path: str | os.PathLike[str]) -> None:
    """Write a file whole or not at all, into a folder that is there."""
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such folder {path.parent}")
    files.write(path, data)


def check_table(
    df: pd.DataFrame,
    needs: Sequence[str] = ("N", "D", "loss"),
    *,
    zero: Sequence[str] = (),
    signed: Sequence[str] = (),
) -> None:
    """Raise InputError unless every column of `needs` is there, numeric, finite and positive.

    Columns of `zero` may be 0, those of `signed` any finite number. The message names the file and
    the rows (counted from 1, the header not counted) at fault.
    """
    source = source_of(df)
    for name in needs:
        if name not in df.columns:
            told = f"{source}: {_missing(name, df.columns)} (name it with --columns {name}=...)"
            raise InputError(told)
        numbers = pd.to_numeric(df[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        text = np.isnan(numbers) & df[name].notna().to_numpy()
        range_ = " of at least 0" if name in zero else "" if name in signed else " above 0"
        for bad, what in (
            (text, "not a number"),
            (np.isnan(numbers), "NaN or empty"),
            (np.isinf(numbers), "infinite"),
            ((numbers < 0) & (name in zero), "negative"),
            ((numbers <= 0) & (name not in zero) & (name not in signed), "zero or negative"),
        ):
            if bad.any():
                raise InputError(
                    f"{source}: column {name} is {what} in {rows_named(df.index[bad])}; "
                    f"every {name} must be a finite number{range_}"
                )


def conventions(df: pd.DataFrame) -> dict[str, str]:
    """What N, C, loss and D mean in this table: `{"N_kind": ..., ...}`.

    A missing or empty column reads as "unstated". Two conventions in one column are an
    InputError that names both.
    """
    found = {}
    for name in CONVENTIONS:
        kinds = [UNSTATED]
        if name in df.columns:
            kinds = sorted({str(kind) for kind in df[name].fillna(UNSTATED)}) or kinds
        if len(kinds) > 1:
            raise InputError(
                f"{source_of(df)}: {name} mixes {' and '.join(kinds)}; "
                "fit one convention at a time, for example with --where"
            )
        found[name] = kinds[0]
    return found


def select_rows(
    df: pd.DataFrame, where: str | None = None, *, by: str | None = None
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """The stated rule for fits: finished runs that are not targets, and `where` if given.

    by: the column that splits the rows into fits of their own. Returns the rows (index kept, so
    that messages name the file's rows) and an account of the rest. Raises InputError where nothing
    is left, and where rows of several model families would enter one fit. Runs that were rewound
    (status `recovered`) did not train as planned: they are left out, too, unless the table is taken
    `with_recovered`.
    """
    account: list[LeftOut] = []

    def leave_out(bad: pd.Series, reason: str) -> None:
        nonlocal df
        if bad.any():
            account.append(LeftOut(int(bad.sum()), reason))
            df = df[~bad]

    if "status" in df.columns:
        for status in sorted({str(s) for s in df["status"]} - {"finished"}):
            leave_out(df["status"].astype(str) == status, f"status is {status}")
    if "role" in df.columns:
        leave_out(df["role"] == "target", "role is target: a target never enters a fit")
        leave_out(df["role"] == "tuning", "role is tuning: its runs were to find a rate")
    if where is not None:
        leave_out(~matches(df, where), f"not {where}")
    if df.empty:
        told = "; ".join(str(item) for item in account)
        raise InputError(f"{source_of(df)}: no rows left to fit ({told})")
    _one_family(df, by)
    return df, tuple(account)


def with_recovered(df: pd.DataFrame) -> pd.DataFrame:
    """The table with recovered runs counted among the finished ones."""
    if "status" not in df.columns:
        return df
    return df.assign(status=df["status"].replace({"recovered": "finished"}))


def _one_family(df: pd.DataFrame, by: str | None) -> None:
    if FAMILY not in df.columns or by == FAMILY:
        return
    for _, rows in df.groupby(by) if by is not None else [("", df)]:
        names = sorted({str(name) for name in rows[FAMILY].dropna()})
        if len(names) > 1:
            raise InputError(
                f"{source_of(df)}: rows of {len(names)} model families ({', '.join(names)}) are no "
                f"data of one law; choose one with --where \"{FAMILY} == '{names[0]}'\", or set "
                "them side by side with `scaling crossing`"
            )


def source_of(df: pd.DataFrame) -> str:
    """The file that a table was read from, for messages."""
    return str(df.attrs.get("source", "table"))


def _missing(name: str, columns: Iterable[object]) -> str:
    names = [str(column) for column in columns]
    folded = {n.lower(): n for n in names}  # "Loss" is near "loss", whatever its letters' case
    near = [folded[n] for n in difflib.get_close_matches(name.lower(), list(folded), n=3)]
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"no column {name}; it has {', '.join(names)}{hint}"


def rows_named(index: pd.Index, show: int = 5) -> str:
    """`rows 3, 7`: counted from 1, the header not counted, as errors name them."""
    rows = [str(int(i) + 1) for i in index]
    more = f" and {len(rows) - show} more" if len(rows) > show else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(rows[:show])}{more}"
