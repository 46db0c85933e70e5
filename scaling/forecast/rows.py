"""The rows that forecasters see: finished runs, with the compute that the table itself states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import Cost, c_6nd, cost_of
from scaling.fit.budgets import BUDGETS, LAID_OUT, Budget, budget_numbers, budgets_of, layout
from scaling.table import check_table, conventions, select_rows
from scaling.units import unit_of_d

Array = NDArray[np.float64]

WITHIN = 0.10  # of loss above the best for no more compute: rows that show where the optimum is


@dataclass(frozen=True, eq=False)
class Rows:
    """A table's rows in order of compute, and its isoFLOP budgets where it was laid out in them.

    frame: the rows with a column C (the table's own, else 6ND), sorted by it. N, D, C, loss: its
    columns, each [n]. budgets: none for a free table. cost: what links C to N and D. kinds: the
    table's conventions.
    """

    frame: pd.DataFrame
    N: Array
    D: Array
    C: Array
    loss: Array
    n_column: str
    cost: Cost
    budgets: tuple[Budget, ...]
    source: str
    kinds: Mapping[str, str]

    @property
    def of_tokens(self) -> bool:
        """Whether D counts tokens: what language models have taught is not said of images."""
        return unit_of_d(self.kinds["D_kind"]) == "tokens"

    def up_to(self, C: float) -> pd.DataFrame:
        """The rows of at most C FLOPs: all that a forecaster made at this cut may see."""
        return self.only(self.C <= C)

    def only(self, which: NDArray[np.bool_]) -> pd.DataFrame:
        """The rows chosen, with the table's name."""
        part = self.frame[which]
        part.attrs["source"] = self.source
        return part


def rows_of(table: pd.DataFrame, N: str = "N", where: str | None = None) -> Rows:
    """The rows that a fit would see. Raises InputError for a bad table.

    A table's own C that isn't 6ND is marked as counted, so that every law fitted to these rows
    divides the budgets that the table states, not others.
    """
    chosen, _ = select_rows(table, where)
    check_table(chosen, (N, "D", "loss", *(["C"] if "C" in chosen else [])))
    source = str(table.attrs.get("source", "table"))
    n, d = (chosen[k].to_numpy(dtype=float) for k in (N, "D"))
    if "C" not in chosen:
        chosen = chosen.assign(C=c_6nd(n, d), C_kind="6ND")
    chosen = chosen.sort_values(["C", N, "loss"], kind="stable")
    n, d, c, loss = (chosen[k].to_numpy(dtype=float) for k in (N, "D", "C", "loss"))
    kinds = conventions(chosen)
    kind = kinds["C_kind"]
    cost = Cost() if kind == "6ND" else cost_of(n, d, c)
    if kind == "unstated":
        chosen = chosen.assign(C_kind=cost.kind)
    chosen.attrs["source"] = source
    return Rows(
        frame=chosen,
        N=n,
        D=d,
        C=c,
        loss=loss,
        n_column=N,
        cost=cost,
        budgets=tuple(layout(n, c)),
        source=source,
        kinds=kinds,
    )


def near_optimal(rows: Rows, within: float) -> NDArray[np.bool_]:
    """Which rows [n] a user would care about: no cheaper row has a loss lower by more than that.

    In an isoFLOP table rows of one budget are equally cheap.
    """
    level = (
        budget_numbers(np.log(rows.C))
        if rows.budgets
        else np.unique(rows.C, return_inverse=True)[1]
    )
    lowest = np.full(int(level.max()) + 1, np.inf)
    np.minimum.at(lowest, level, rows.loss)
    return np.asarray(rows.loss <= (1 + within) * np.minimum.accumulate(lowest)[level])


def too_few(rows: Rows) -> str:
    """Why these rows are no isoFLOP table, in words."""
    (least, share), _ = LAID_OUT
    found = budgets_of(rows.N, rows.C, least)
    inside = sum(len(budget.rows) for budget in found)
    return (
        f"{inside} of {len(rows.C)} rows lie in isoFLOP budgets (equal C, {least} or more sizes); "
        f"{share:.0%} in {BUDGETS} or more are needed"
    )
