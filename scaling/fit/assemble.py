"""From an estimate in a problem's coordinates to the Fit of each group of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.cost import Cost, c_6nd, counted
from scaling.fit.build import Coordinates
from scaling.fit.diagnose import Chains, diagnose, weak_directions
from scaling.fit.draws import clusters_of
from scaling.fit.problem import Array, Problem, Solutions
from scaling.fit.result import Fit
from scaling.fit.rows import How, Rows
from scaling.table import check_table


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a solver says of a problem, all groups together.

    u [p]: the estimate; draws [n, p] around it. ends: where every start ended. converged, status:
    whether it can be trusted, then in words with all warnings. draws_converged: the part of the
    refits that did. chains: of a posterior.
    """

    u: Array
    draws: Array
    ends: Solutions
    converged: bool
    status: str
    draws_converged: float = 1.0
    chains: Chains | None = None


def fits_of(
    how: How, rows: Rows, problem: Problem, coordinates: Coordinates, found: Estimate
) -> dict[str, Fit]:
    """The Fit of each group, by name."""
    return {
        name: _fit_of(how, rows, problem, coordinates, found, group)
        for group, name in enumerate(coordinates.groups.names)
    }


def _fit_of(
    how: How,
    rows: Rows,
    problem: Problem,
    coordinates: Coordinates,
    found: Estimate,
    group: int,
) -> Fit:
    own = np.flatnonzero(coordinates.groups.number == group)
    cluster_by, clusters = clusters_of(rows.frame)
    point = coordinates.decode(coordinates.part(found.u, group))
    decoded = coordinates.decode(coordinates.part(found.draws, group))
    draws = np.stack([decoded[name] for name in how.law.params], axis=1)
    weak = weak_directions(how.law, draws, float(rows.loss[own].min()))
    residuals = -problem.residuals(found.u)[own]
    rows = rows.at(own)
    back = np.argsort(rows.frame["_order"].to_numpy())  # to the table's own row order
    cost, c_min, c_max = _cost(rows)
    return Fit(
        law=how.law,
        params={name: float(value) for name, value in point.items()},
        objective=how.objective,
        on=how.on,
        value=float(found.ends.value.min()),
        converged=found.converged,
        status=found.status,
        engine=how.engine if found.chains is None else "nuts",
        seed=how.seed,
        kind=how.kind,
        fixed=dict(how.fixed),
        n_clusters=int(clusters.max()) + 1,
        cluster_by=cluster_by,
        draws=draws,
        points={name: values[back] for name, values in {**rows.x, "loss": rows.loss}.items()},
        weights=rows.weights[back],
        clusters=clusters[own][back],
        bounds=dict(how.bounds),
        residuals=residuals[back],
        diagnostics=diagnose(
            problem, found.ends, found.u, found.draws_converged, weak, found.chains
        ),
        conventions=rows.kinds,
        n_column=rows.n_column,
        cost=cost,
        c_min=c_min,
        c_max=c_max,
        left_out=tuple(str(item) for item in rows.left_out),
        source=rows.source,
    )


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
