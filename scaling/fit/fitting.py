"""Fit a law to a run table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit import stages
from scaling.fit.assemble import Estimate, fits_of
from scaling.fit.build import Coordinates, Groups
from scaling.fit.diagnose import (
    bound_warnings,
    derivative_warnings,
    design_warnings,
    draw_warnings,
)
from scaling.fit.draws import Kind, clusters_of, sample
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Index, Problem, Scale, Solutions
from scaling.fit.result import Fit, GroupFit
from scaling.fit.rows import ENGINES, How, Rows, build_rows, law_for, prepare
from scaling.fit.starts import Data, starts
from scaling.laws.law import Law

_SAMPLE = 2_000  # starts are found on a sample of so many rows, then polished on all
_SURVIVORS = 3  # of the sample's minima that are polished on all rows
_ALL = "all"


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
    resamples: Array | None = None,
) -> Fit:
    """Fit `law` to the table's finished, non-target rows, with draws around the estimate.

    law: a Law or its name. objective, on: penalty of the residuals of ln loss, of loss, or of
    ln(loss - E) ("log_reducible"). N: the column that N stands for ("N" or "N_total"). draws:
    replicates (0 for none) of a `kind`: bootstrap over clusters of runs ("cluster"), over rows
    ("row"), of residuals ("residual", "wild"), normal ("laplace"), or the "posterior" under priors
    of published fits, by NUTS (extra `bayes`; `scaling.fit.bayes`): the estimate is then its mean,
    in the coordinates that are fitted. fixed, bounds: parameters held at a value or in a range.
    weight: a column of row weights, or of standard errors of the loss (ending in `_se`), which
    weigh by their inverse squares. where: a row filter. resamples [draws, clusters]: how often each
    cluster, in the order of their labels, is in each replicate, where these were drawn before for
    several fits alike (`fit.draws.shared_weights`). Residuals and points keep the table's row
    order.

    Raises InputError for a bad table or fewer distinct runs than free parameters. A fit that did
    not converge, or that the data do not identify, is a Fit whose status says so.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3; Besiroglu et al. 2024
    (arXiv:2404.10102).
    """
    law = law_for(law, table, N)
    how = How(law, objective, on, engine, fixed or {}, bounds or {}, draws, kind, seed, resamples)
    rows = prepare(law, table, how, N=N, weight=weight, where=where)
    if kind == "posterior":
        one = Groups((_ALL,), np.zeros(len(rows.loss), dtype=np.intp), frozenset())
        return _posterior(how, rows, one)[_ALL]
    return _solve(how, rows, None)[_ALL]


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
    joint refits. With kind "posterior" `share`d exponents (or E) are not equal but drawn from one
    population, of unknown mean and spread. The rest is as in `fit`.
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
    rows = prepare(law, table, how, N=N, weight=weight, where=where, by=by)
    names, number = np.unique(rows.frame[by].astype(str).to_numpy(), return_inverse=True)
    groups = Groups(tuple(names.tolist()), number.astype(np.intp), frozenset(share))
    solve = _posterior if kind == "posterior" else _solve
    return GroupFit(by, tuple(share), solve(how, rows, groups))


def _solve(how: How, rows: Rows, groups: Groups | None) -> dict[str, Fit]:
    """The fit of each group, all from one joint problem."""
    problem, coordinates = build_rows(how, rows, groups)
    distinct = _distinct(rows, coordinates.groups)
    if int(distinct.max()) + 1 < problem.size:
        raise InputError(
            f"{rows.source}: {int(distinct.max()) + 1} distinct runs are too few for the "
            f"{problem.size} free parameters of law {how.law.name}; hold some (--fix E=1.7), or "
            "take a law of fewer (`scaling laws`)"
        )
    polished = polish(how, rows, problem, coordinates)
    best = int(np.argmin(polished.value))
    u = stages.sharpen(problem, polished.u[best], ENGINES[how.engine])
    cluster_by, clusters = clusters_of(rows.frame)
    sampled = sample(
        problem, u, ENGINES[how.engine], clusters, distinct, how.kind, how.draws, how.seed,
        how.resamples,
    )  # fmt: skip
    warnings = [
        *design_warnings(rows.x, rows.loss),
        *bound_warnings(problem, coordinates, u),
        *derivative_warnings(problem, u),
        *draw_warnings(sampled, int(clusters.max()) + 1, cluster_by, problem.size),
    ]
    converged = bool(polished.converged[best])
    head = "converged" if converged else "not converged: the engine stopped short of a minimum"
    status = "; warning: ".join([head, *warnings])
    found = Estimate(u, sampled.u, polished, converged, status, sampled.converged)
    return fits_of(how, rows, problem, coordinates, found)


def _posterior(how: How, rows: Rows, groups: Groups) -> dict[str, Fit]:
    """The posterior of each group, whose `shared` coordinates are drawn from one population.

    The mode is looked for from the point fit of all rows together.
    """
    from scaling.fit.bayes import posterior  # only here: its extra need not be installed

    apart = Groups(groups.names, groups.number, frozenset())
    problem, coordinates = build_rows(how, rows, apart)
    pooled, together = build_rows(how, rows)
    found = polish(how, rows, pooled, together)
    point = together.decode(found.u[int(np.argmin(found.value))])
    start = coordinates.join(
        np.broadcast_to(coordinates.encode(point), (len(groups.names), 1, len(coordinates.names)))
    )[0]
    told = posterior(problem, coordinates, groups.shared, start, how.draws, how.seed)
    value = problem.value(told.mean[None], problem.weights[None])
    ends = Solutions(told.mean[None], value, np.array([True]), np.zeros(1))
    bad = told.chains.problems()
    warnings = [f"not converged: {', '.join(bad)}" if bad else "converged"]
    warnings += design_warnings(rows.x, rows.loss)
    cluster_by, clusters = clusters_of(rows.frame)
    if int(clusters.max()) + 1 < len(clusters):
        warnings.append(
            f"rows of one {cluster_by} are taken as independent: intervals may be too narrow"
        )
    status = "; warning: ".join(warnings)
    estimate = Estimate(told.mean, told.u, ends, not bad, status, chains=told.chains)
    return fits_of(how, rows, problem, coordinates, estimate)


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
