"""Fit a law to a run table."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from scaling import laws
from scaling.cost import Cost, c_6nd, counted
from scaling.errors import InputError
from scaling.fit import engine_newton, engine_scipy
from scaling.fit.build import Coordinates, build
from scaling.fit.diagnose import bound_warnings, design_warnings, diagnose, weak_directions
from scaling.fit.draws import bootstrap, cluster_weights, clusters_of
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Problem, Scale, Solutions
from scaling.fit.result import Fit
from scaling.fit.starts import starts
from scaling.laws.law import Law
from scaling.table import check_table, conventions, select_rows

ENGINES: Mapping[str, ModuleType] = {e.NAME: e for e in (engine_newton, engine_scipy)}
_SAMPLE = 2_000  # starts are found on a sample of so many rows, then polished on all
_SURVIVORS = 3  # of the sample's minima that are polished on all rows


class _Prepared(NamedTuple):
    """The rows of a fit in one order, whatever order the table has."""

    rows: pd.DataFrame
    x: dict[str, Array]
    loss: Array
    kinds: dict[str, str]


def fit(
    law: Law | str,
    table: pd.DataFrame,
    *,
    objective: Objective = Objective(),
    on: Scale = "log_loss",
    N: str = "N",
    draws: int = 1000,
    seed: int = 0,
    engine: str = "newton",
    fixed: Mapping[str, float] | None = None,
    where: str | None = None,
) -> Fit:
    """Fit `law` to the table's finished, non-target rows and bootstrap it over clusters.

    law: a Law or its name. objective: of the residuals of ln loss or of loss (`on`). N: the column
    that N stands for ("N" or "N_total"). draws: bootstrap replicates (0 for none), reproducible by
    `seed`. fixed: parameters held at a value. where: a row filter. Residuals and points keep the
    table's row order.

    Raises InputError for a bad table or fewer distinct runs than free parameters. A fit that did
    not converge, or that the data do not identify, is a Fit whose status says so.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3; Besiroglu et al. 2024
    (arXiv:2404.10102).
    """
    law = laws.get(law) if isinstance(law, str) else law
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r}; valid: {', '.join(ENGINES)}")
    if on not in ("log_loss", "loss"):
        raise InputError(f"on = {on!r}; valid: log_loss, loss")
    if draws < 0:
        raise InputError(f"draws = {draws}; must be 0 or more")
    selected, left_out = select_rows(table, where)
    data = _prepare(law, selected, N)
    fixed = {name: float(value) for name, value in (fixed or {}).items()}
    solver = ENGINES[engine]

    problem, coordinates = build(law, data.x, data.loss, objective, on, fixed)
    distinct = _distinct(data.x)
    if int(distinct.max()) + 1 < problem.size:
        raise InputError(
            f"{data.rows.attrs.get('source', 'table')}: {int(distinct.max()) + 1} distinct "
            f"runs are too few for the {problem.size} free parameters of law {law.name}"
        )
    polished = _polish(law, data, objective, on, fixed, problem, coordinates, solver)
    best = int(np.argmin(polished.value))
    u = polished.u[best]
    params = {name: float(value) for name, value in coordinates.decode(u).items()}

    cluster_by, clusters = clusters_of(data.rows)
    n_clusters = int(clusters.max()) + 1
    samples, ok = np.zeros((0, len(law.params))), 1.0
    if draws:
        weights = cluster_weights(clusters, distinct, problem.size, draws, seed)
        solved = bootstrap(problem, clusters, weights, u, solver.solve_many)
        decoded = coordinates.decode(solved.u)
        samples = np.stack([decoded[name] for name in law.params], axis=1)
        ok = float(solved.converged.mean())

    warnings = design_warnings(data.x) + bound_warnings(problem, coordinates, u)
    if draws and n_clusters < 2 * problem.size:
        warnings.append(
            f"{n_clusters} clusters (by {cluster_by}) are few for {problem.size} parameters: "
            "bootstrap intervals are rough"
        )
    if ok < 0.99:
        warnings.append(f"{100 * (1 - ok):.1f} % of bootstrap refits did not converge")
    converged = bool(polished.converged[best])
    head = "converged" if converged else "not converged: the engine stopped short of a minimum"
    weak = weak_directions(law, samples, float(data.loss.min()))
    back = np.argsort(data.rows["_order"].to_numpy())  # to the table's own row order
    cost, c_min, c_max = _cost(data)
    return Fit(
        law=law,
        params=params,
        objective=objective,
        on=on,
        value=float(polished.value[best]),
        converged=converged,
        status="; warning: ".join([head, *warnings]),
        engine=engine,
        seed=seed,
        fixed=fixed,
        n_clusters=n_clusters,
        cluster_by=cluster_by,
        draws=samples,
        points={name: values[back] for name, values in {**data.x, "loss": data.loss}.items()},
        residuals=-problem.residuals(u)[back],
        diagnostics=diagnose(problem, polished, u, ok, weak),
        conventions=data.kinds,
        n_column=N,
        cost=cost,
        c_min=c_min,
        c_max=c_max,
        left_out=tuple(str(item) for item in left_out),
        source=str(table.attrs.get("source", "table")),
    )


def _prepare(law: Law, rows: pd.DataFrame, n_column: str) -> _Prepared:
    """Check the columns and sort the rows, so that a table's row order changes no bit of a fit."""
    column = {name: n_column if name == "N" else name for name in law.variables}
    check_table(rows, (*column.values(), "loss"))
    kinds = conventions(rows)
    if n_column == "N_total":
        kinds["N_kind"] = "total"
    rows = rows.assign(_order=np.arange(len(rows)))
    keys = [*column.values(), "loss"]
    rows = rows.sort_values(keys + [k for k in ("run", "trunk") if k in rows], kind="stable")
    x = {name: rows[c].to_numpy(dtype=float) for name, c in column.items()}
    return _Prepared(rows, x, rows["loss"].to_numpy(dtype=float), kinds)


def _distinct(x: Mapping[str, Array]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Which distinct point of the variables each row is, numbered from 0."""
    points = np.stack(list(x.values()), axis=1)
    return np.unique(points, axis=0, return_inverse=True)[1].ravel()


def _polish(
    law: Law,
    data: _Prepared,
    objective: Objective,
    on: Scale,
    fixed: Mapping[str, float],
    problem: Problem,
    coordinates: Coordinates,
    solver: ModuleType,
) -> Solutions:
    """Every start's end. Large tables are searched on an even sample, and its best minima
    refined."""
    if problem.rows <= _SAMPLE:
        found: Solutions = solver.solve(
            problem, starts(problem, coordinates, data.x, data.loss, fixed)
        )
        return found
    pick = np.linspace(0, problem.rows - 1, _SAMPLE).astype(int)
    x, loss = {name: v[pick] for name, v in data.x.items()}, data.loss[pick]
    small, small_coordinates = build(law, x, loss, objective, on, fixed)
    rough = solver.solve(small, starts(small, small_coordinates, x, loss, fixed))
    kept = rough.u[np.argsort(rough.value)[:_SURVIVORS]]
    refined: Solutions = solver.solve(problem, coordinates.encode(small_coordinates.decode(kept)))
    return refined


def _cost(data: _Prepared) -> tuple[Cost, float, float]:
    """Cost convention of these rows (counted where C_kind says so), least and largest C."""
    if not {"N", "D"} <= set(data.x):
        return Cost(), 0.0, 0.0
    if data.kinds["C_kind"] == "counted" and "C" in data.rows:
        check_table(data.rows, ("C",))
        C = data.rows["C"].to_numpy(dtype=float)
        cost = counted(data.x["N"], data.x["D"], C)
    else:
        C, cost = c_6nd(data.x["N"], data.x["D"]), Cost()
    return cost, float(C.min()), float(C.max())
