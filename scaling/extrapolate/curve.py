"""Curves of a table: which rows are fitted, which are predicted, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.extrapolate.drift import LEAST
from scaling.table import check_table, rows_named, source_of

Array = NDArray[np.float64]

FIT, EXTRAPOLATE = "fit", "extrapolate"
KINDS = ("metric", "L_kind")  # columns that say what a loss is of
_RISING = 0.9  # rank correlation of loss and x from which a curve is no loss curve


@dataclass(frozen=True, eq=False)
class Curve:
    """One loss-versus-scale curve.

    x, loss [n]: fitted. at [m]: x to predict; truth [m]: the loss there, NaN where it is unknown.
    """

    group: str
    x: Array
    loss: Array
    at: Array
    truth: Array


def curves(
    df: pd.DataFrame,
    *,
    x: str = "x",
    y: str = "loss",
    group: str | None = None,
    split: str | None = None,
    at: Sequence[float] = (),
) -> list[Curve]:
    """The curves of a table, in the order in which their groups first appear.

    group: column that tells curves apart (one curve without it). split: column of "fit" and
    "extrapolate" (all rows are fitted without it). at: x to predict for every curve, beside its
    extrapolate rows.

    Raises InputError, which names the rows, for: an unknown column; an x or a fitted loss that is
    no finite number above 0; fewer than 3 distinct x; a rate of exactly 1; a curve that rises; two
    metrics in one curve; a split of another name; an x to predict below the largest fitted one;
    and nothing to predict.
    """
    source = source_of(df)
    for option, name in (("--x", x), ("--y", y), ("--group", group), ("--split", split)):
        if name is not None and name not in df.columns:
            columns = ", ".join(map(str, df.columns))
            raise InputError(
                f"{source}: no column {name} ({option}); it has {columns}: name one by {option}"
            )
    fitted = _fitted(df, split)
    check_table(df, (x,))
    check_table(df[fitted], (x, y))
    rest = df[~fitted]
    check_table(rest[rest[y].notna()], (y,))
    for value in at:
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"--at {value:g}: must be a finite number above 0")
    if rest.empty and not at:
        raise InputError(
            f'{source}: nothing to predict: give x (--at 1e9), or a column of "{FIT}" and '
            f'"{EXTRAPOLATE}" (--split NAME)'
        )
    names = df[group].astype(str) if group is not None else pd.Series("all", index=df.index)
    found = []
    for name, rows in df.groupby(names, sort=False):
        where = f"{source}: group {name}" if group is not None else source
        own = fitted[rows.index]
        _check(rows, rows[own], x, y, where)
        ahead = rows[~own]
        last = float(rows.loc[own, x].max())
        below = ahead[ahead[x] < last]
        if len(below):
            raise InputError(
                f"{where}: {rows_named(below.index)} to predict lie below the largest fitted {x} "
                f"({last:g}); only {x} from there on are extrapolated"
            )
        for value in at:
            if value < last:
                raise InputError(
                    f"{where}: --at {value:g} lies below the largest fitted {x} ({last:g}); only "
                    f"{x} from there on are extrapolated"
                )
        found.append(
            Curve(
                str(name),
                rows.loc[own, x].to_numpy(dtype=float),
                rows.loc[own, y].to_numpy(dtype=float),
                np.concatenate([ahead[x].to_numpy(dtype=float), np.array(at, dtype=float)]),
                np.concatenate([ahead[y].to_numpy(dtype=float), np.full(len(at), np.nan)]),
            )
        )
    return found


def _fitted(df: pd.DataFrame, split: str | None) -> pd.Series:
    if split is None:
        return pd.Series(True, index=df.index)
    other = ~df[split].isin([FIT, EXTRAPOLATE])
    if other.any():
        values = ", ".join(sorted({repr(v) for v in df.loc[other, split]}))
        raise InputError(
            f"{source_of(df)}: column {split} holds {values} in {rows_named(df.index[other])}; "
            f'valid: "{FIT}" and "{EXTRAPOLATE}"'
        )
    return df[split] == FIT


def _check(rows: pd.DataFrame, fit: pd.DataFrame, x: str, y: str, where: str) -> None:
    """What is wrong with one curve."""
    for kind in KINDS:
        if kind in rows and rows[kind].nunique() > 1:
            values = " and ".join(sorted(map(str, rows[kind].dropna().unique())))
            raise InputError(
                f"{where}: column {kind} mixes {values} in one curve; a curve has one metric: "
                "tell them apart with --group"
            )
    distinct = fit[x].nunique()
    if distinct < LEAST:
        told = f" ({rows_named(fit.index)})" if len(fit) else ""
        raise InputError(
            f"{where}: {len(fit)} rows to fit with {distinct} distinct {x}{told}; at least {LEAST} "
            f"distinct {x} are needed"
        )
    full = fit[(fit[y] == 1) & (fit[y].max() == 1)]
    if len(full):
        raise InputError(
            f"{where}: {y} is exactly 1, the ceiling of a rate, in {rows_named(full.index)}; valid "
            "are rates above 0 and below 1: leave rows out that have not left chance"
        )
    from scipy.stats import spearmanr  # late: half a second to load

    if fit[y].nunique() > 1 and spearmanr(fit[x], fit[y]).statistic >= _RISING:
        raise InputError(
            f"{where}: {y} rises with {x} all along the fitted rows; a loss or an error rate falls "
            f"(is {y} an accuracy? give 1 - accuracy)"
        )
