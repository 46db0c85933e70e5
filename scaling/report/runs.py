"""The table of runs, as every format of the report shows it; of very many an even choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from scaling.report.numbers import flops
from scaling.report.study import Study
from scaling.report.thinning import SHOWN, even
from scaling.table import FAMILY

_NONE = "–"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: its heading (`|` is where a line may break), whether it is text, what a row has
    there, and the name that it is sorted by."""

    title: str
    text: bool
    of: Callable[[Row], str]
    name: str = ""


@dataclass(frozen=True)
class Runs:
    """columns and rows of cells: run, whether it went wrong, texts. total: of how many; the rule
    says which were chosen, where not all are shown."""

    columns: Sequence[Column]
    rows: Sequence[tuple[str, bool, Sequence[str]]]
    total: int
    rule: str


def runs_of(study: Study, words: Mapping[str, Any], most: int = SHOWN) -> Runs:
    """Every cell of a study, every row of a table, every point of a fit: so many at most."""
    rows, total = rows_of(study, most)
    there = {name for row in rows for name, value in row.items() if not _empty(value)}
    columns = [
        replace(column, name=next(iter(needs)) if len(needs) == 1 else "")
        for needs, column in _columns(study, words)
        if needs <= there
    ]
    rule = ""
    if total > len(rows):
        rule = (
            f"{len(rows):,} of {total:,} runs are shown, even in order of compute, the least and "
            "the largest among them. Fits use all."
        )
    cells = [
        (_text("run")(row), str(row.get("status", "finished")) != "finished",
         [column.of(row) for column in columns])
        for row in rows
    ]  # fmt: skip
    return Runs(columns, cells, total, rule)


def rows_of(study: Study, most: int = SHOWN) -> tuple[list[Row], int]:
    """The rows that the table shows, and of how many."""
    if study.kind == "study":
        of_compute = [float(r.get("C") or 0) for r in study.records]
        chosen = even(np.array(of_compute), most)
        return [study.records[i] for i in chosen], len(study.records)
    if study.table is not None:
        table = study.table
        product = table["N"] * table["D"] if {"N", "D"} <= set(table) else None
        C = table.get("C", product)
        order = np.arange(len(table), dtype=float) if C is None else C.to_numpy(dtype=float)
        own = table.iloc[even(order, most)].to_dict("records")
        return [cast(Row, row) for row in own], len(table)
    points = next(iter(study.fits.values())).points
    every = {name: values.tolist() for name, values in points.items()}
    listed = [dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True)]
    chosen = even(np.prod([points[name] for name in points if name != "loss"], axis=0), most)
    return [listed[i] for i in chosen], len(listed)


def _columns(study: Study, words: Mapping[str, Any]) -> list[tuple[set[str], Column]]:
    """Every column with what it needs of the rows."""
    named = study.kind == "study"
    short = f"|({words['short']})" if words["short"] else ""
    size = next((c for c in ("N_total", "N") if named or _has(study, c)), "N")
    columns: list[tuple[set[str], Column]] = [
        ({"run"}, Column("Cell" if named else "Run", True, _text("run"))),
        ({"role"}, Column("Role", True, _text("role"))),
        *[({FAMILY}, Column("Family", True, _text(FAMILY)))] * _has_several_families(study),
        *(({n}, Column(n, False, _count(n))) for n in ("N", "N_total", "N_active")
          if n != "N_active" or not named),
        ({"D"}, Column(f"D ({words['units']})", False, _count("D"))),
        ({"D", size}, Column(f"D /|{size}", False, lambda r: _ratio(r, size))),
        ({"C"}, Column("C (FLOPs,|counted)" if named else "C (FLOPs)", False, _power("C"))),
        ({"seed"}, Column("Seed", False, _count("seed"))),
        ({"loss"}, Column(f"Loss{short}", False, _loss)),
        *(({name}, Column(title, False, _share(name))) for name, title in words["metrics"].items()),
        ({"predicted_seconds"}, Column("Predicted|(s)", False, _seconds("predicted_seconds"))),
        ({"seconds"}, Column("Measured|(s)", False, _seconds("seconds"))),
        ({"status"}, Column("Status", True, _status)),
    ]  # fmt: skip
    return columns


def _has(study: Study, column: str) -> bool:
    return study.table is not None and column in study.table


def _has_several_families(study: Study) -> bool:
    """Whether rows are of several, though a law may be asked of one alone."""
    return study.table is not None and FAMILY in study.table and study.table[FAMILY].nunique() > 1


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def _told(name: str, form: Callable[[Any], str]) -> Callable[[Row], str]:
    def of(row: Row) -> str:
        value = row.get(name)
        if _empty(value):
            return _NONE
        try:
            return form(value)
        except (TypeError, ValueError):  # a foreign table may hold anything
            return str(value)

    return of


def _text(name: str) -> Callable[[Row], str]:
    return _told(name, str)


def _count(name: str) -> Callable[[Row], str]:
    return _told(name, lambda value: f"{float(value):,.0f}")


def _power(name: str) -> Callable[[Row], str]:
    return _told(name, lambda value: flops(float(value)))


def _share(name: str) -> Callable[[Row], str]:
    return _told(name, lambda value: f"{float(value):.4f}")


def _seconds(name: str) -> Callable[[Row], str]:
    return _told(name, lambda value: f"{float(value):.1f}" if value else _NONE)


def _ratio(row: Row, size: str) -> str:
    try:
        return f"{float(row['D']) / float(row[size]):.3g}"
    except (TypeError, ValueError, ZeroDivisionError, KeyError):
        return _NONE


def _loss(row: Row) -> str:
    told = _share("loss")(row)
    error = row.get("loss_se")
    return told if _empty(error) or told == _NONE else f"{told} ± {_share('loss_se')(row)}"


def _status(row: Row) -> str:
    reason = row.get("reason")
    return _text("status")(row) + (f": {reason}" if reason and not _empty(reason) else "")
