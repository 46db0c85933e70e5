"""What a run table holds: runs, ranges, seeds, families, budgets, what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling import schema
from scaling.fit.budgets import layout
from scaling.table import CONVENTIONS, source_of
from scaling.units import UNSTATED

_RANGES = ("N", "N_total", "D", "D_unique", "C", "loss", "learning_rate", "batch_tokens")
_COUNTS = ("family", "status", "role", "seed", "dataset")


def summary(df: pd.DataFrame) -> dict[str, Any]:
    """The facts, as JSON has them."""
    return {
        "source": source_of(df),
        "rows": len(df),
        "runs": int(df["run"].nunique()) if "run" in df.columns else None,
        "conventions": _kinds(df),
        "ranges": {name: _range(df[name]) for name in _RANGES if name in df.columns},
        "tokens_per_param": _ratio(df),
        "counts": {name: _values(df[name]) for name in _COUNTS if name in df.columns},
        "budgets": _budgets(df),
        "repeats": _repeats(df),
        "missing": {
            str(name): int(df[name].isna().sum()) for name in df.columns if df[name].isna().any()
        },
        "other_columns": [str(n) for n in df.columns if schema.find(str(n)) is None],
    }


def _kinds(df: pd.DataFrame) -> dict[str, str]:
    """The conventions; two in one column stand side by side here."""
    found = {}
    for name in CONVENTIONS:
        stated = df[name].fillna(UNSTATED).astype(str) if name in df.columns else [UNSTATED]
        found[name] = " and ".join(sorted(set(stated)))
    return found


def _numbers(values: pd.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    found: np.ndarray[Any, np.dtype[np.float64]] = numbers[np.isfinite(numbers)]
    return found


def _range(values: pd.Series) -> dict[str, Any]:
    numbers = _numbers(values)
    if not len(numbers):
        return {"values": 0, "smallest": None, "median": None, "largest": None}
    return {
        "values": len(np.unique(numbers)),
        "smallest": float(numbers.min()),
        "median": float(np.median(numbers)),
        "largest": float(numbers.max()),
    }


def _ratio(df: pd.DataFrame) -> dict[str, Any] | None:
    if not {"N", "D"} <= set(df.columns):
        return None
    N, D = (pd.to_numeric(df[name], errors="coerce") for name in ("N", "D"))
    return _range((D / N).where(N > 0))


def _values(column: pd.Series) -> dict[str, int]:
    counts = column.dropna().map(_plain).value_counts()
    return {str(value): int(number) for value, number in counts.items()}


def _plain(value: Any) -> str:
    """A seed that gaps made a float is a whole number."""
    return str(int(value)) if isinstance(value, float) and value % 1 == 0 else str(value)


def _budgets(df: pd.DataFrame) -> list[dict[str, Any]]:
    """The isoFLOP budgets that the table is laid out in, by its own C or 6 N D."""
    if not {"N", "D"} <= set(df.columns):
        return []
    N, D = (pd.to_numeric(df[name], errors="coerce") for name in ("N", "D"))
    C = pd.to_numeric(df["C"], errors="coerce") if "C" in df.columns else 6 * N * D
    good = (N > 0) & (C > 0) & np.isfinite(N) & np.isfinite(C)
    if not good.any():
        return []
    sizes = N[good].to_numpy(dtype=float)
    found = layout(sizes, C[good].to_numpy(dtype=float))
    return [{"C": b.C, "rows": len(b.rows), "sizes": len(np.unique(sizes[b.rows]))} for b in found]


def _repeats(df: pd.DataFrame) -> int | None:
    """How many places of N and D were trained with more than one seed."""
    if not {"N", "D", "seed"} <= set(df.columns):
        return None
    seeds = df.groupby(["N", "D"])["seed"].nunique()
    return int((seeds > 1).sum())
