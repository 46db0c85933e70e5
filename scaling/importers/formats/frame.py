"""A piece of a table, whatever it was stored as, and numbers as people type them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

ROWS = 200_000  # of a piece: some tens of MB
EMPTY = frozenset({"", "-", "na", "n/a", "#n/a", "null", "none", "<na>"})
DIVERGED = "diverged"  # what some write for a loss that was no number
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)\s?([kKMBGT])")
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Frame:
    """Rows of a table. first: the number of its first row, counted from 1, the header not counted.
    nan: by column, which of its empty values were written as NaN. notes: what could not be read.
    """

    df: pd.DataFrame
    first: int
    nan: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def frame(df: pd.DataFrame, first: int, notes: tuple[str, ...] = ()) -> Frame:
    """A piece as read, with numbers that were written as text made numbers: `1,234,567`, `70M`.

    A word in a column of numbers is left out and told; a column of words stays one.
    """
    nan: dict[str, np.ndarray] = {}
    told = list(notes)
    for name in df.columns:
        column = df[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            continue
        codes, distinct = pd.factorize(column)  # ids repeat: each is looked at once
        values: list[float | str | None] = [_value(item) for item in distinct]
        wordy = np.array([isinstance(value, str) for value in values] + [False])
        numeric = np.array([isinstance(value, float) for value in values] + [False])
        words, numbers = np.flatnonzero(wordy[codes]), int(numeric[codes].sum())
        if numbers == 0 or len(words) > numbers / 10 + 1:
            texts = [None if _empty(item) else str(item).strip() for item in distinct]
            df = df.assign(**{name: pd.Series(np.array([*texts, None], object)[codes])})
            continue
        for i in words[:3]:
            told.append(
                f"row {first + i}: {name} is {column.iloc[i]!r}, no number, and is left out"
            )
        if len(words) > 3:
            told.append(f"{name} is no number in {len(words) - 3} more rows up to row "
                        f"{first + words[-1]}")  # fmt: skip
        is_nan = np.array([isinstance(v, float) and math.isnan(v) for v in values] + [False])
        nan[name] = is_nan[codes]
        clean = np.array([v if isinstance(v, float) else math.nan for v in values] + [math.nan])
        df = df.assign(**{name: clean[codes]})
    return Frame(df, first, nan, tuple(told))


def _empty(item: object) -> bool:
    missing = item is None or item is pd.NA or item is pd.NaT
    return missing or (isinstance(item, float) and math.isnan(item))


def _value(item: object) -> float | str | None:
    """A cell as a number, a word, or nothing."""
    if _empty(item):
        return None
    if isinstance(item, bool | np.bool_):
        return str(item)
    text = str(item).strip()
    if text.lower() in EMPTY:
        return None
    if text.lower() == DIVERGED:
        return math.nan
    if _GROUPED.fullmatch(text):
        return float(text.replace(",", ""))
    if found := _QUANTITY.fullmatch(text):
        return float(found[1]) * _SCALES[found[2]]
    if "_" in text:  # float() takes 1_000, and run_1 is none
        return text
    try:
        return float(text)
    except ValueError:
        return text
