"""What is fitted: a law and how, and a table's rows in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from scaling import laws
from scaling.errors import InputError
from scaling.fit import engine_newton, engine_scipy, engine_varpro
from scaling.fit.build import Coordinates, Groups, build
from scaling.fit.draws import Kind, check_kind
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Index, Problem, Scale
from scaling.laws.formula import law_of
from scaling.laws.law import Law
from scaling.table import LeftOut, check_table, conventions, select_rows

ENGINES: Mapping[str, ModuleType] = {
    e.NAME: e for e in (engine_newton, engine_scipy, engine_varpro)
}
SCALES: tuple[Scale, ...] = ("log_loss", "loss", "log_reducible")
_N_KINDS = {"N_total": "total", "N_active": "active"}  # columns that say what they count
_FORMULA = "+-*/^(="  # no name of a law holds one


@dataclass(frozen=True)
class How:
    """What is minimised and how: everything of a fit but its rows.

    objective: the penalty of residuals of ln loss, of loss, or of ln(loss - E) (`on`). engine: by
    name. fixed, bounds: parameters held at a value, or in a range. draws of a `kind` ("cluster",
    "row", "residual", "wild", "laplace" or "posterior"), reproducible by `seed`; or refits to
    `resamples` of clusters.
    """

    law: Law
    objective: Objective = Objective()
    on: Scale = "log_loss"
    engine: str = "newton"
    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    draws: int = 1000
    kind: Kind = "cluster"
    seed: int = 0
    resamples: Array | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"engine {self.engine!r}; valid: {', '.join(ENGINES)}")
        if self.on not in SCALES:
            raise InputError(f"on = {self.on!r}; valid: {', '.join(SCALES)}")
        if self.draws < 0:
            raise InputError(f"draws = {self.draws}; must be 0 or more")
        check_kind(self.kind)
        if self.resamples is not None and (self.kind, self.draws) != (
            "cluster",
            len(self.resamples),
        ):
            raise InputError(
                f"{len(self.resamples)} resamples of clusters are not {self.draws} draws of kind "
                f"{self.kind}"
            )
        if self.kind == "posterior" and self.on == "log_reducible":
            raise InputError("draws of kind posterior: on must be log_loss or loss")
        both = set(self.fixed) & set(self.bounds)
        if both:
            raise InputError(f"{', '.join(sorted(both))}: fixed and bounded at once; choose one")


class Rows(NamedTuple):
    """The rows of a fit in one order, whatever order the table has."""

    frame: pd.DataFrame
    x: dict[str, Array]
    loss: Array
    weights: Array
    kinds: dict[str, str]
    n_column: str
    left_out: tuple[LeftOut, ...]
    source: str

    def at(self, index: Index) -> Rows:
        return self._replace(
            frame=self.frame.iloc[index],
            x={name: v[index] for name, v in self.x.items()},
            loss=self.loss[index],
            weights=self.weights[index],
        )


def law_for(law: Law | str, table: pd.DataFrame, N: str = "N") -> Law:
    """A law by its name, or by a formula in the table's columns (and N)."""
    if isinstance(law, Law):
        return law
    if not any(sign in law for sign in _FORMULA):
        return laws.get(law)
    numeric = table.select_dtypes("number")
    named = numeric.assign(N=numeric[N]) if N in numeric else numeric
    return law_of(law, {str(name): v.to_numpy(dtype=float) for name, v in named.items()})


def prepare(
    law: Law,
    table: pd.DataFrame,
    how: How,
    *,
    N: str = "N",
    weight: str | None = None,
    where: str | None = None,
    by: str | None = None,
) -> Rows:
    """Check the columns and sort the rows, so that a table's row order changes no bit of a fit.

    by: the column of the groups that are fitted apart.
    """
    frame, left_out = select_rows(table, where, by=by)
    source = str(table.attrs.get("source", "table"))
    column = {name: N if name == "N" else name for name in law.variables}
    y = law.response
    check_table(
        frame,
        (*column.values(), y, *([weight] if weight else [])),
        zero=tuple(column[name] for name in law.zero),
        signed=(y,) if how.on == "loss" else (),
    )
    kinds = conventions(frame)
    kinds["N_kind"] = _N_KINDS.get(N, kinds["N_kind"])
    frame = frame.assign(_order=np.arange(len(frame)))
    keys = [*column.values(), y]
    frame = frame.sort_values(keys + [k for k in ("run", "trunk") if k in frame], kind="stable")
    x = {name: frame[c].to_numpy(dtype=float) for name, c in column.items()}
    loss = frame[y].to_numpy(dtype=float)
    return Rows(frame, x, loss, _weights(frame, weight, loss, how.on), kinds, N, left_out, source)


def _weights(frame: pd.DataFrame, weight: str | None, loss: Array, on: Scale) -> Array:
    """Row weights; those from standard errors have a mean of 1, so that objectives compare."""
    if weight is None:
        return np.ones(len(loss))
    values = frame[weight].to_numpy(dtype=float)
    if not weight.endswith("_se"):
        return values
    precision = 1 / (values / loss if on != "loss" else values) ** 2
    return np.asarray(precision / precision.mean())


def build_rows(how: How, rows: Rows, groups: Groups | None = None) -> tuple[Problem, Coordinates]:
    """The problem of these rows."""
    return build(
        how.law,
        rows.x,
        rows.loss,
        how.objective,
        how.on,
        how.fixed,
        bounds=how.bounds,
        weights=rows.weights,
        groups=groups,
    )
