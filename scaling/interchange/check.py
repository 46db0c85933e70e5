"""What is wrong with a run table: every problem at once, each with its rows and what is valid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scaling import formats, parquet, schema
from scaling.table import CONVENTIONS, read_table, rows_named
from scaling.units import UNSTATED

Grade = Literal["error", "warning"]
_TWICE = 2.0  # C of a language model is within this of 6 N D, by one of its counts of N
_SAME = 1e-6  # relative: what is to be 6 N D, to the rounding of a text file


@dataclass(frozen=True)
class Problem:
    """Something wrong. rows: counted from 1, the header not counted; none where it is of the
    column or the table as a whole. valid: what would be right, or what to do."""

    grade: Grade
    column: str
    what: str
    valid: str
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        of = f"column {self.column}: " if self.column else ""
        rows = f" in {rows_named(pd.Index(self.rows) - 1)}" if self.rows else ""
        return f"{self.grade}: {of}{self.what}{rows}; {self.valid}"


@dataclass(frozen=True)
class Checked:
    """What was found. version: of the schema, as the file states it; 0 where it states none.
    compute: smallest, median and largest of C / 6ND, where the table has them."""

    source: str
    version: int
    rows: int
    columns: int
    problems: tuple[Problem, ...]
    compute: tuple[float, float, float] | None

    @property
    def errors(self) -> int:
        return sum(problem.grade == "error" for problem in self.problems)


def check(
    path: Path,
    columns: Mapping[str, str] | None = None,
    needs: Sequence[str] = schema.NEEDED,
) -> Checked:
    """Hold a table's file against the schema.

    needs: columns that every row must have; `loss` of finished runs only. Raises InputError where
    the file cannot be read as a table at all.
    """
    df = read_table(path, columns)
    version = 0
    if path.suffix == ".parquet":
        version = formats.stated_version(parquet.schema_of(path), path)
    problems = [
        *_missing(df, needs),
        *_unknown(df),
        *_values(df, needs),
        *_conventions(df),
        *_orders(df),
        *_compute(df),
        *_twice(df),
    ]
    problems.sort(key=lambda problem: problem.grade)
    return Checked(str(path), version, len(df), len(df.columns), tuple(problems), _of_6nd(df))


def _problem(
    grade: Grade, column: str, what: str, valid: str, bad: pd.Series | None = None
) -> Iterator[Problem]:
    """The problem, unless no row is bad."""
    if bad is None:
        yield Problem(grade, column, what, valid)
    elif bad.any():
        yield Problem(grade, column, what, valid, tuple(int(i) + 1 for i in _rows(bad)))


def _rows(bad: pd.Series) -> pd.Index:
    return bad.index[bad.to_numpy(dtype=bool)]


def _missing(df: pd.DataFrame, needs: Sequence[str]) -> Iterator[Problem]:
    there = ", ".join(map(str, df.columns))
    for name in needs:
        if name not in df.columns:
            valid = f"it has {there}; name it with --columns {name}=..."
            yield from _problem("error", name, "is not there", valid)


def _unknown(df: pd.DataFrame) -> Iterator[Problem]:
    """Columns that are one of the schema's but for their letters: they would pass unread."""
    folded = {name.lower(): name for name in schema.names()}
    for name in map(str, df.columns):
        near = get_close_matches(name.lower(), list(folded), 1, 0.8)
        if schema.find(name) is None and near and folded[near[0]] not in df.columns:
            ours = folded[near[0]]
            valid = f"if it is {ours}: --columns {ours}={name}"
            yield from _problem("warning", name, "passes through unread", valid)


def _numbers(df: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(df[name], errors="coerce").astype(float)


def _values(df: pd.DataFrame, needs: Sequence[str]) -> Iterator[Problem]:
    finished = pd.Series(True, df.index)
    if "status" in df.columns:
        finished = df["status"].isna() | (df["status"].astype(str) == "finished")
    for column in schema.COLUMNS:
        if column.name not in df.columns:
            continue
        if column.name in needs:
            of = finished if column.name == "loss" else True
            runs = "every finished run has one" if column.name == "loss" else "every row has one"
            yield from _problem(
                "error", column.name, "is NaN or empty", runs, df[column.name].isna() & of
            )
        yield from _text(df, column) if column.type == "str" else _range(df, column)


def _text(df: pd.DataFrame, column: schema.Column) -> Iterator[Problem]:
    values = df[column.name]
    if column.values:
        other = values.notna() & ~values.astype(str).isin(column.values)
        for value in sorted(set(values[other].astype(str))):
            rows = other & (values.astype(str) == value)
            grade: Grade = "error"
            valid = f"valid: {', '.join(column.values)}"
            if column.others:
                grade, valid = "warning", f"usual: {', '.join(column.values)}"
            if column.name == "status":
                valid += "; only finished runs enter a fit"
            yield from _problem(grade, column.name, f"is {value}", valid, rows)
    if column.name == "config":
        bad = values.notna() & ~values.astype(str).map(_is_json).astype(bool)
        yield from _problem("error", column.name, "is not JSON", "valid: a JSON object", bad)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _range(df: pd.DataFrame, column: schema.Column) -> Iterator[Problem]:
    name, numbers = column.name, _numbers(df, column.name)
    valid = f"valid: a number {column.range}".rstrip()
    yield from _problem("error", name, "is not a number", valid, numbers.isna() & df[name].notna())
    yield from _problem("error", name, "is infinite", valid, numbers.abs() == np.inf)
    whole = numbers.isna() | np.isinf(numbers) | (numbers % 1 == 0)
    if column.type == "int":
        yield from _problem("error", name, "is no whole number", valid, ~whole)
    for bad, what in (
        (numbers < 0 if column.above == 0 or column.least == 0 else None, "is negative"),
        (numbers == 0 if column.above == 0 else None, "is zero"),
        (numbers > column.most if column.most is not None else None, f"is above {column.most}"),
    ):
        if bad is not None:
            yield from _problem("error", name, what, valid, bad)


def _conventions(df: pd.DataFrame) -> Iterator[Problem]:
    """Two of a kind, and what is not said."""
    silent = []
    for name in CONVENTIONS:
        of = {"N_kind": "N", "D_kind": "D", "C_kind": "C", "L_kind": "loss"}[name]
        kinds = [UNSTATED]
        if name in df.columns:
            kinds = sorted(set(df[name].fillna(UNSTATED).astype(str)))
        if len(kinds) > 1:
            valid = f"one at a time: scaling table filter --where \"{name} == '{kinds[0]}'\""
            yield from _problem("error", name, f"mixes {' and '.join(kinds)}", valid)
        elif kinds == [UNSTATED] and of in df.columns:
            silent.append(name)
    if silent:
        yield from _problem(
            "warning", "", f"{', '.join(silent)} unstated",
            "a column of that name says what N, D, C or the loss is (docs/run-table.md)",
        )  # fmt: skip


def _orders(df: pd.DataFrame) -> Iterator[Problem]:
    """What is part of something is not more than that."""
    for part, whole in (("N", "N_total"), ("N_active", "N_total"), ("D_unique", "D")):
        if {part, whole} <= set(df.columns):
            more = _numbers(df, part) > _numbers(df, whole) * (1 + _SAME)
            yield from _problem("error", part, f"is more than {whole}", f"at most {whole}", more)


def _six(df: pd.DataFrame) -> list[pd.Series]:
    """6 N D by each count of N in the table, the one that `C_6ND` is of first."""
    counts = [_numbers(df, name) for name in ("N", "N_total") if name in df.columns]
    if "N_active" in df.columns and "N" in df.columns:
        counts.insert(0, _numbers(df, "N_active").fillna(_numbers(df, "N")))
    return [6 * count * _numbers(df, "D") for count in counts] if "D" in df.columns else []


def _of_6nd(df: pd.DataFrame) -> tuple[float, float, float] | None:
    sixes = _six(df)
    if not sixes or "C" not in df.columns:
        return None
    ratio = np.exp(_log_ratio(_numbers(df, "C"), sixes[0]).dropna())
    return (float(ratio.min()), float(ratio.median()), float(ratio.max())) if len(ratio) else None


def _log_ratio(C: pd.Series, six: pd.Series) -> pd.Series:
    """ln of C / 6ND; NaN where either is no positive number."""
    ratio = (C / six).where((C > 0) & (six > 0) & np.isfinite(C) & np.isfinite(six))
    return pd.Series(np.log(ratio.to_numpy(dtype=float)), ratio.index)


def _compute(df: pd.DataFrame) -> Iterator[Problem]:
    """C and C_6ND against 6 N D."""
    sixes = _six(df)
    if not sixes:
        return
    if "C_6ND" in df.columns:
        off = _log_ratio(_numbers(df, "C_6ND"), sixes[0]).abs() > _SAME
        yield from _problem("error", "C_6ND", "is not 6 N D", "N non-embedding and active", off)
    if "C" not in df.columns:
        return
    C = _numbers(df, "C")
    distances = pd.DataFrame({n: _log_ratio(C, six).abs() for n, six in enumerate(sixes)})
    nearest = distances.min(axis=1)
    stated = pd.Series(False, df.index)
    if "C_kind" in df.columns:
        stated = df["C_kind"].astype(str) == "6ND"
    yield from _problem(
        "error", "C", "is not 6 N D, as C_kind says", "C_kind counted where C was counted",
        (nearest > _SAME) & stated,
    )  # fmt: skip
    tokens = pd.Series(True, df.index)
    if "D_kind" in df.columns:
        tokens = df["D_kind"].fillna(UNSTATED).isin(["tokens", UNSTATED])
    far = tokens & ~stated & (nearest > np.log(_TWICE))
    if far.any():
        median = float(np.exp(_log_ratio(C, sixes[0])[far].median()))
        yield from _problem(
            "warning", "C", f"is {median:.3g} times 6 N D (median)",
            f"within {_TWICE:g} times for language models: see the units of N, D and C", far,
        )  # fmt: skip


def _twice(df: pd.DataFrame) -> Iterator[Problem]:
    """A run's point that stands in several rows would count several times."""
    if {"run", "D"} <= set(df.columns):
        again = df["run"].notna() & df.duplicated(["run", "D"], keep=False)
        yield from _problem(
            "error", "run", "is twice at one D", "a row for each (run, tokens) point", again
        )
    same = df.duplicated(keep="first")
    if "run" in df.columns:
        same &= df["run"].isna()
    yield from _problem(
        "warning", "", "rows that repeat an earlier one", "each counts as a run of its own", same
    )
