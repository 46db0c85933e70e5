"""Two tables side by side: the columns of the second beside the rows of the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.table import CONVENTIONS, conventions, rows_named, source_of
from scaling.units import UNSTATED

How = Literal["inner", "left", "outer"]


@dataclass(frozen=True)
class Joined:
    """The rows; how many found a partner, and how many of either table found none."""

    table: pd.DataFrame
    matched: int
    first_only: int
    second_only: int


def join(
    first: pd.DataFrame,
    second: pd.DataFrame,
    on: Sequence[str] = ("run",),
    *,
    how: How = "inner",
    suffix: str = "",
) -> Joined:
    """The columns of `second` beside the rows of `first` that have the same values of `on`.

    how: rows that match; all of `first`; all of both. Columns that both have are one where they
    agree; where they differ, that of `second` takes `suffix`. Raises InputError for keys that are
    missing or stand twice in `second`, conventions that differ, and columns that differ without a
    suffix, or whose name with it is taken.
    """
    if not on:
        raise InputError("no column to join on: --on takes columns that both tables have")
    for df in (first, second):
        _must_have(df, on)
    _must_be_alike(first, second)
    keys, others = _keys(first, second, on)
    positions = others.get_indexer(keys)
    matched = positions >= 0
    if not matched.any():
        raise InputError(
            f"{source_of(first)} and {source_of(second)}: no row of one has the "
            f"{', '.join(on)} of a row of the other ({keys[0]} against {others[0]})"
        )
    partners = second.reset_index(drop=True).reindex(positions).set_axis(first.index)
    table, apart = _beside(first, partners, matched, on, suffix, second)
    alone = ~np.isin(np.arange(len(second)), positions)
    if how == "inner":
        table = table[matched]
    elif how == "outer":
        rest = second[alone].rename(columns=apart)
        table = pd.concat([table, rest.reindex(columns=table.columns)]) if alone.any() else table
    return Joined(
        table.reset_index(drop=True),
        int(matched.sum()),
        int((~matched).sum()),
        int(alone.sum()),
    )


def _must_have(df: pd.DataFrame, on: Sequence[str]) -> None:
    for name in on:
        if name not in df.columns:
            there = ", ".join(map(str, df.columns))
            raise InputError(
                f"{source_of(df)}: no column {name} to join on; it has {there} "
                "(--on takes columns that both tables have)"
            )
        if (bad := df[name].isna()).any():
            raise InputError(f"{source_of(df)}: {name} is empty in {rows_named(df.index[bad])}; "
                             "a row without a key has no partner")  # fmt: skip


def _must_be_alike(first: pd.DataFrame, second: pd.DataFrame) -> None:
    one, two = conventions(first), conventions(second)
    for name in CONVENTIONS:
        if one[name] != two[name] and UNSTATED not in (one[name], two[name]):
            raise InputError(
                f"{name} is {one[name]} in {source_of(first)} and {two[name]} in "
                f"{source_of(second)}; tables of two conventions are not joined"
            )


def _keys(
    first: pd.DataFrame, second: pd.DataFrame, on: Sequence[str]
) -> tuple[pd.Index, pd.Index]:
    columns = list(on)
    for name in on:
        kinds = [df[name].dtype.kind in "iuf" for df in (first, second)]
        if kinds[0] != kinds[1]:
            number, text = (first, second) if kinds[0] else (second, first)
            raise InputError(
                f"{name} is a number in {source_of(number)} and text in {source_of(text)}; "
                "keys of one type only can be the same"
            )
    twice = second.duplicated(columns, keep=False)
    if twice.any():
        raise InputError(
            f"{source_of(second)}: {', '.join(on)} is the same in "
            f"{rows_named(second.index[twice])}; the second table has one row for each key: "
            "add columns to --on, or name it first"
        )
    if len(columns) == 1:
        return pd.Index(first[columns[0]]), pd.Index(second[columns[0]])
    return pd.MultiIndex.from_frame(first[columns]), pd.MultiIndex.from_frame(second[columns])


def _beside(
    first: pd.DataFrame,
    partners: pd.DataFrame,
    matched: NDArray[np.bool_],
    on: Sequence[str],
    suffix: str,
    second: pd.DataFrame,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of the first with their partners' columns; the new names of those that differ."""
    table = first.copy()
    differ: list[str] = []
    apart: dict[str, str] = {}
    for name in [column for column in partners.columns if column not in on]:
        theirs = partners[name]
        if name not in table.columns:
            table[name] = theirs
        elif name in CONVENTIONS or not (bad := _differs(table[name], theirs, matched)).any():
            table[name] = table[name].where(table[name].notna(), theirs)
        elif suffix:
            apart[name] = _free(f"{name}{suffix}", first, second)
            table[apart[name]] = theirs
        else:
            differ.append(_told(name, first, theirs, bad))
    if differ:
        raise InputError(
            f"{source_of(first)} and {source_of(second)} differ in {'; '.join(differ)}; keep both "
            "with --suffix _2, or join on these columns, too"
        )
    return table, apart


def _free(name: str, *tables: pd.DataFrame) -> str:
    for df in tables:
        if name in df.columns:
            raise InputError(f"{source_of(df)}: has a column {name} already; take another --suffix")
    return name


def _differs(ours: pd.Series, theirs: pd.Series, matched: NDArray[np.bool_]) -> pd.Series:
    both = ours.notna() & theirs.notna() & matched
    return both & (ours.astype(object) != theirs.astype(object))


def _told(name: str, first: pd.DataFrame, theirs: pd.Series, bad: pd.Series) -> str:
    rows = first.index[bad.to_numpy(dtype=bool)]
    return f"{name} ({first[name][rows[0]]} against {theirs[rows[0]]}, {rows_named(rows, 3)})"


def account(joined: Joined) -> Iterator[str]:
    """What became of the rows, in words."""
    for rows, what in (
        (joined.matched, "matched"),
        (joined.first_only, "of the first without a partner"),
        (joined.second_only, "of the second without one"),
    ):
        if rows:
            yield f"{rows} row{'' if rows == 1 else 's'} {what}"
