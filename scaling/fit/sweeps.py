"""Learning-rate and batch sweeps in a run table: the runs of one size and length, seeds averaged.

A run that diverged has no loss, but says something: the loss at its rate is high.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import c_6nd
from scaling.errors import InputError
from scaling.fit.budgets import budget_numbers
from scaling.table import LeftOut, check_table, conventions, select_rows, source_of

Array = NDArray[np.float64]

BATCHES = ("batch_tokens", "batch_images", "batch_pairs")
_SWEPT = ("learning_rate", *BATCHES)


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of one size and length, one point a (rate, batch), by batch, then by rate.

    at: N, D and C of the group, and N_total where the table has it. rates, batches [points]; NaN
    where the table has no batch. loss [points]: mean ln loss over seeds, NaN where any run
    diverged. runs [points]. diverged: runs that did.
    """

    at: dict[str, float]
    rates: Array
    batches: Array
    loss: Array
    runs: Array
    diverged: int

    def of_batch(self) -> Iterator[tuple[float, Array, Array, Array]]:
        """Each batch's rates, losses and runs; one NaN batch where the table has none."""
        for batch in np.unique(self.batches):  # of several NaN, `unique` keeps one
            own = np.isnan(self.batches) if np.isnan(batch) else self.batches == batch
            yield float(batch), self.rates[own], self.loss[own], self.runs[own]


@dataclass(frozen=True, eq=False)
class Sweeps:
    """All groups of a table, and the noise of one run's ln loss between seeds.

    noise: pooled standard deviation, NaN without repeated runs; spare: its degrees of freedom.
    """

    groups: tuple[Sweep, ...]
    noise: float
    spare: int
    kinds: dict[str, str]
    transfer: str
    left_out: tuple[LeftOut, ...]
    source: str


def with_recipe(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column for each key of its recipes (`warmup_steps`, `clip`, `z_loss`, ...)
    that it lacks; None where a recipe does not set the key."""
    if "recipe" not in table.columns:
        return table
    recipes = pd.DataFrame([json.loads(str(r)) for r in table["recipe"]], index=table.index)
    new = recipes[[c for c in recipes.columns if c not in table.columns]]
    return pd.concat([table, new], axis=1)


def sweeps_of(table: pd.DataFrame, *, N: str = "N", where: str | None = None) -> Sweeps:
    """The sweeps of a run table: columns learning_rate, N, D, loss, and a batch where there is one.

    Rows of one N and of D within 10 % of each other are a group. Raises InputError for a missing
    column, and where runs of one group differ in more than rate, batch and seed.
    """
    df = with_recipe(table)
    df.attrs = dict(table.attrs)
    lost = _diverged(df)
    # select_rows leaves out what did not finish; here a diverged run counts.
    status = {"status": df["status"].where(~lost, "finished")} if "status" in df else {}
    frame, left_out = select_rows(df.assign(**status), where)
    frame.attrs = dict(table.attrs)
    lost = lost.loc[frame.index]
    batch = next((c for c in BATCHES if c in frame.columns and frame[c].notna().any()), None)
    check_table(frame, ("learning_rate", N, "D", *([batch] if batch else [])))
    check_table(frame[~lost], ("loss",))
    _one_recipe(frame)
    frame = frame.assign(
        _batch=frame[batch].astype(float) if batch else np.nan,
        _lost=lost,
        _log=np.log(frame["loss"].where(~lost).astype(float)),
        C=frame["C"]
        if "C" in frame
        else c_6nd(frame[N].to_numpy(float), frame["D"].to_numpy(float)),
    )
    groups = [_sweep(rows, N) for rows in _groups(frame, N)]
    noise, spare = _noise(frame, N)
    transfer = str(frame["transfer"].iloc[0]) if "transfer" in frame else "unstated"
    kinds = conventions(frame)
    if "C" not in df:
        kinds["C_kind"] = "6ND"
    return Sweeps(tuple(groups), noise, spare, kinds, transfer, left_out, source_of(table))


def _diverged(df: pd.DataFrame) -> pd.Series:
    """Runs that diverged; without a status, those whose loss is no finite number."""
    if "status" in df.columns:
        return df["status"] == "diverged"
    if "loss" not in df.columns:
        return pd.Series(False, df.index)
    return pd.Series(~np.isfinite(pd.to_numeric(df["loss"], errors="coerce").to_numpy()), df.index)


def _one_recipe(frame: pd.DataFrame) -> None:
    """Nothing but rate, batch and seed may differ between the runs that are compared."""
    if "transfer" in frame and frame["transfer"].nunique() > 1:
        _mixed(frame, "transfer")
    if "recipe" not in frame:
        return
    recipes = [json.loads(str(text)) for text in frame["recipe"]]
    for key in sorted(set().union(*recipes) - set(_SWEPT)):
        if len({str(recipe.get(key)) for recipe in recipes}) > 1:
            _mixed(frame, key)


def _mixed(frame: pd.DataFrame, key: str) -> None:
    values = list(dict.fromkeys("none" if v is None or v != v else v for v in frame[key]))
    told = ", ".join(map(str, values))
    first = values[0] if isinstance(values[0], int | float) else f"'{values[0]}'"
    raise InputError(
        f"{source_of(frame)}: runs of one sweep differ in {key} ({told}); optima of different "
        f'recipes are no data of one law: choose with --where "{key} == {first}"'
    )


def _groups(frame: pd.DataFrame, N: str) -> Iterator[pd.DataFrame]:
    for _, of_size in frame.groupby(np.round(np.log(frame[N].astype(float)), 6)):
        length = budget_numbers(np.log(of_size["D"].to_numpy(float)))
        for number in range(int(length.max()) + 1):
            yield of_size[length == number]


def _sweep(rows: pd.DataFrame, N: str) -> Sweep:
    points = rows.groupby(["_batch", "learning_rate"], dropna=False)
    lost = points["_lost"].any().to_numpy(bool)
    index = points["_log"].mean().index
    sizes = dict.fromkeys(["N", N, *(["N_total"] if "N_total" in rows else [])])
    return Sweep(
        {c: float(rows[c].astype(float).mean()) for c in (*sizes, "D", "C") if c in rows},
        index.get_level_values(1).to_numpy(float),
        index.get_level_values(0).to_numpy(float),
        np.where(lost, np.nan, points["_log"].mean().to_numpy(float)),
        points["_log"].count().to_numpy().astype(float),
        int(rows["_lost"].sum()),
    )


def _noise(frame: pd.DataFrame, N: str) -> tuple[float, int]:
    """Standard deviation of ln loss between runs that differ in their seed alone, pooled."""
    same = frame[~frame["_lost"]].groupby([N, "D", "_batch", "learning_rate"], dropna=False)["_log"]
    counts, variances = same.count(), same.var()
    several = counts > 1
    spare = int((counts[several] - 1).sum())
    if not spare:
        return float("nan"), 0
    pooled = float(((counts[several] - 1) * variances[several]).sum()) / spare
    return float(np.sqrt(pooled)), spare
