"""The rows of a run table that figures draw, in the counts that a predictor speaks of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import c_6nd
from scaling.errors import InputError
from scaling.forecast import Predictor
from scaling.plot.words import axis_label, compute_column, loss_label
from scaling.table import conventions

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """Runs as arrays [n] in table order, with the names of their axes.

    N is the count `n_column`; C is the table's own where it was counted, else 6ND.
    """

    frame: pd.DataFrame
    N: Array
    D: Array
    C: Array
    loss: Array
    n_label: str
    c_label: str
    loss_label: str


def finished(table: pd.DataFrame, role: str | None = None) -> pd.DataFrame:
    """Finished runs with a finite loss above 0, of one role where the table has roles.

    Without roles every run is a pilot.
    """
    keep = pd.Series(True, index=table.index)
    if "status" in table:
        keep &= table["status"] == "finished"
    if role is not None:
        keep &= (table["role"] if "role" in table else pd.Series("pilot", table.index)) == role
    loss = pd.to_numeric(table["loss"], errors="coerce")
    rows: pd.DataFrame = table[keep & np.isfinite(loss) & (loss > 0)]
    return rows


def points(table: pd.DataFrame, predictor: Predictor, role: str = "pilot") -> Points:
    """The finished runs of a role. Raises InputError where a pilot figure would be empty."""
    rows = finished(table, role)
    if rows.empty and role == "pilot":
        raise InputError("no finished pilot runs to draw")
    kind = predictor.cost.kind
    N, D, loss = (rows[name].to_numpy(dtype=float) for name in (predictor.n_column, "D", "loss"))
    C = rows["C"].to_numpy(dtype=float) if kind == "counted" else c_6nd(N, D)
    c_label = axis_label(compute_column(kind))
    if kind != "counted" and predictor.n_column == "N_total":
        c_label = r"Training compute $6 N_\mathrm{total} D$ (FLOPs)"
    return Points(
        rows, N, D, C, loss,
        axis_label(predictor.n_column), c_label, loss_label(conventions(table)["L_kind"]),
    )  # fmt: skip


def between(x: Array, low: float, high: float) -> NDArray[np.bool_]:
    """Whether x lies in [low, high], rounding forgiven."""
    return (x >= low * (1 - 1e-9)) & (x <= high * (1 + 1e-9))
