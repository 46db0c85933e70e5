"""Fit a law to a run table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from scaling import laws
from scaling.cost import Cost, c_6nd, counted
from scaling.errors import InputError
from scaling.fit import engine_newton, engine_scipy, engine_varpro, stages
from scaling.fit.build import Coordinates, Groups, build
from scaling.fit.diagnose import (
    Diagnostics,
    bound_warnings,
    design_warnings,
    diagnose,
    draw_warnings,
    weak_directions,
)
from scaling.fit.draws import Kind, check_kind, clusters_of, sample
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Index, Problem, Scale, Solutions
from scaling.fit.result import Fit, GroupFit
from scaling.fit.starts import Data, starts
from scaling.laws.formula import law_of
from scaling.laws.law import Law
from scaling.table import LeftOut, check_table, conventions, select_rows

ENGINES: Mapping[str, ModuleType] = {
    e.NAME: e for e in (engine_newton, engine_scipy, engine_varpro)
}
SCALES: tuple[Scale, ...] = ("log_loss", "loss", "log_reducible")
_SAMPLE = 2_000  # starts are found on a sample of so many rows, then polished on all
_SURVIVORS = 3  # of the sample's minima that are polished on all rows
_ALL = "all"
_FORMULA = "+-*/^(="  # no name of a law holds one


@dataclass(frozen=True)
class How:
    """What is minimised and how: everything of a fit but its rows.

    objective: the penalty of residuals of ln loss, of loss, or of ln(loss - E) (`on`). engine: by
    name. fixed, bounds: parameters held at a value, or in a range. draws of a `kind` ("cluster",
    "row", "residual", "wild" or "laplace"), reproducible by `seed`.
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

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"engine {self.engine!r}; valid: {', '.join(ENGINES)}")
        if self.on not in SCALES:
            raise InputError(f"on = {self.on!r}; valid: {', '.join(SCALES)}")
        if self.draws < 0:
            raise InputError(f"draws = {self.draws}; must be 0 or more")
        check_kind(self.kind)
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


def fit(
    law: Law | str,
    table: pd.DataFrame,
    *,
    objective: Objective = Objective(),
    on: Scale = "log_loss",
    N: str = "N",
    draws: int = 1000,
    kind: Kind = "cluster",
    seed: int = 0,
    engine: str = "newton",
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    weight: str | None = None,
    where: str | None = None,
) -> Fit:
    """Fit `law` to the table's finished, non-target rows, with draws around the estimate.

    law: a Law or its name. objective, on: penalty of the residuals of ln loss, of loss, or of
    ln(loss - E) ("log_reducible"). N: the column that N stands for ("N" or "N_total"). draws:
    replicates (0 for none) of a `kind`: bootstrap over clusters of runs ("cluster"), over rows
    ("row"), of residuals ("residual", "wild"), or normal ("laplace"). fixed, bounds: parameters
    held at a value or in a range. weight: a column of row weights, or of standard errors of the
    loss (ending in `_se`), which weigh by their inverse squares. where: a row filter. Residuals
    and points keep the table's row order.

    Raises InputError for a bad table or fewer distinct runs than free parameters. A fit that did
    not converge, or that the data do not identify, is a Fit whose status says so.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3; Besiroglu et al. 2024
    (arXiv:2404.10102).
    """
    law = law_for(law, table, N)
    how = How(law, objective, on, engine, fixed or {}, bounds or {}, draws, kind, seed)
    return _solve(how, prepare(law, table, how, N=N, weight=weight, where=where), None)[_ALL]


def fit_groups(
    law: Law | str,
    table: pd.DataFrame,
    by: str,
    share: Sequence[str],
    *,
    objective: Objective = Objective(),
    on: Scale = "log_loss",
    N: str = "N",
    draws: int = 1000,
    kind: Kind = "cluster",
    seed: int = 0,
    engine: str = "newton",
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    weight: str | None = None,
    where: str | None = None,
) -> GroupFit:
    """One law over several data sets, optimisers or families: `share`d parameters, own others.

    by: the column that names the group of a row. share: parameters that all groups have in common,
    such as the exponents. Every group's Fit is a predictor like any other; its draws come from the
    joint refits. The rest is as in `fit`.
    """
    law = law_for(law, table, N)
    how = How(law, objective, on, engine, fixed or {}, bounds or {}, draws, kind, seed)
    if by not in table.columns:
        raise InputError(f"no column {by} to group by; it has {', '.join(map(str, table.columns))}")
    unknown = sorted(set(share) - set(law.params))
    if unknown:
        raise InputError(
            f"share {', '.join(unknown)}: law {law.name} has only {', '.join(law.params)}"
        )
    rows = prepare(law, table, how, N=N, weight=weight, where=where)
    names, number = np.unique(rows.frame[by].astype(str).to_numpy(), return_inverse=True)
    groups = Groups(tuple(names.tolist()), number.astype(np.intp), frozenset(share))
    return GroupFit(by, tuple(share), _solve(how, rows, groups))


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
) -> Rows:
    """Check the columns and sort the rows, so that a table's row order changes no bit of a fit."""
    frame, left_out = select_rows(table, where)
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
    if N == "N_total":
        kinds["N_kind"] = "total"
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


def _solve(how: How, rows: Rows, groups: Groups | None) -> dict[str, Fit]:
    """The fit of each group, all from one joint problem."""
    law = how.law
    problem, coordinates = build_rows(how, rows, groups)
    distinct = _distinct(rows, coordinates.groups)
    if int(distinct.max()) + 1 < problem.size:
        raise InputError(
            f"{rows.source}: {int(distinct.max()) + 1} distinct runs are too few for the "
            f"{problem.size} free parameters of law {law.name}"
        )
    polished = polish(how, rows, problem, coordinates)
    best = int(np.argmin(polished.value))
    u = stages.sharpen(problem, polished.u[best], ENGINES[how.engine])
    cluster_by, clusters = clusters_of(rows.frame)
    sampled = sample(
        problem, u, ENGINES[how.engine], clusters, distinct, how.kind, how.draws, how.seed
    )
    warnings = [
        *design_warnings(rows.x, rows.loss),
        *bound_warnings(problem, coordinates, u),
        *draw_warnings(sampled, int(clusters.max()) + 1, cluster_by, problem.size),
    ]
    fits = {}
    for number, name in enumerate(coordinates.groups.names):
        own = np.flatnonzero(coordinates.groups.number == number)
        decoded = coordinates.decode(coordinates.part(sampled.u, number))
        samples = np.stack([decoded[p] for p in law.params], axis=1)
        weak = weak_directions(law, samples, float(rows.loss[own].min()))
        diagnostics = diagnose(problem, polished, u, sampled.converged, weak)
        point = coordinates.decode(coordinates.part(u, number))
        fits[name] = _fit_of(
            how,
            rows.at(own),
            {p: float(value) for p, value in point.items()},
            samples,
            -problem.residuals(u)[own],
            float(polished.value.min()),
            bool(polished.converged[best]),
            warnings,
            diagnostics,
            (cluster_by, clusters[own], int(clusters.max()) + 1),
        )
    return fits


def _fit_of(
    how: How,
    rows: Rows,
    params: dict[str, float],
    samples: Array,
    residuals: Array,
    value: float,
    converged: bool,
    warnings: list[str],
    diagnostics: Diagnostics,
    clusters: tuple[str, Index, int],
) -> Fit:
    head = "converged" if converged else "not converged: the engine stopped short of a minimum"
    back = np.argsort(rows.frame["_order"].to_numpy())  # to the table's own row order
    cost, c_min, c_max = _cost(rows)
    return Fit(
        law=how.law,
        params=params,
        objective=how.objective,
        on=how.on,
        value=value,
        converged=converged,
        status="; warning: ".join([head, *warnings]),
        engine=how.engine,
        seed=how.seed,
        kind=how.kind,
        fixed=dict(how.fixed),
        n_clusters=clusters[2],
        cluster_by=clusters[0],
        draws=samples,
        points={name: values[back] for name, values in {**rows.x, "loss": rows.loss}.items()},
        weights=rows.weights[back],
        clusters=clusters[1][back],
        bounds=dict(how.bounds),
        residuals=residuals[back],
        diagnostics=diagnostics,
        conventions=rows.kinds,
        n_column=rows.n_column,
        cost=cost,
        c_min=c_min,
        c_max=c_max,
        left_out=tuple(str(item) for item in rows.left_out),
        source=rows.source,
    )


def _distinct(rows: Rows, groups: Groups) -> Index:
    """Which distinct point of the variables (and group) each row is, numbered from 0."""
    points = np.stack([*rows.x.values(), groups.number.astype(float)], axis=1)
    return np.unique(points, axis=0, return_inverse=True)[1].ravel().astype(np.intp)


def polish(how: How, rows: Rows, problem: Problem, coordinates: Coordinates) -> Solutions:
    """Every start's end. Large tables are searched on an even sample, and its best minima
    refined."""
    engine, groups = ENGINES[how.engine], coordinates.groups
    if problem.rows <= _SAMPLE:
        return stages.solve(problem, _starts(how, rows, problem, coordinates), engine)
    pick = np.linspace(0, problem.rows - 1, _SAMPLE).astype(np.intp)
    few = Groups(groups.names, groups.number[pick], groups.shared)
    small = rows.at(pick)
    sketch, sketched = build_rows(how, small, few)
    rough = stages.solve(sketch, _starts(how, small, sketch, sketched), engine)
    kept = rough.u[np.argsort(rough.value)[:_SURVIVORS]]
    whole = np.stack(
        [
            coordinates.encode(sketched.decode(sketched.part(kept, g)))
            for g in range(len(groups.names))
        ]
    )
    return stages.solve(problem, coordinates.join(whole), engine)


def _starts(how: How, rows: Rows, problem: Problem, coordinates: Coordinates) -> Array:
    groups = coordinates.groups
    data: Data = (problem, coordinates, rows.x, rows.loss)
    if len(groups.names) == 1:
        return starts(data, how.fixed)
    parts: list[Data] = []
    for number in range(len(groups.names)):
        own = rows.at(np.flatnonzero(groups.number == number))
        parts.append((*build_rows(how, own), own.x, own.loss))
    return starts(data, how.fixed, parts=parts)


def _cost(rows: Rows) -> tuple[Cost, float, float]:
    """Cost convention of these rows (counted where C_kind says so), least and largest C."""
    if not {"N", "D"} <= set(rows.x):
        return Cost(), 0.0, 0.0
    if rows.kinds["C_kind"] == "counted" and "C" in rows.frame:
        check_table(rows.frame, ("C",))
        C = rows.frame["C"].to_numpy(dtype=float)
        cost = counted(rows.x["N"], rows.x["D"], C)
    else:
        C, cost = c_6nd(rows.x["N"], rows.x["D"]), Cost()
    return cost, float(C.min()), float(C.max())
