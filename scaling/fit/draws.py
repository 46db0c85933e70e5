"""Draws around an estimate: how far it would move with other runs.

Points of one trunk are not independent, so whole clusters are drawn by default. A replicate is a
vector of integer row weights on the shared rows (or of shifted targets, where residuals are drawn),
not a copy of the table, and starts at the full fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit import stages
from scaling.fit.problem import Array, Index, Problem, Solutions

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["cluster", "row", "residual", "wild", "laplace", "posterior"]

_REDRAWS = 100
_BLOCK = 4_000_000  # replicates x rows whose weights exist at once: 32 MB


def clusters_of(df: pd.DataFrame) -> tuple[str, Index]:
    """What is drawn as a whole, and each row's cluster number: trunks, else runs, else rows.

    An empty `trunk` is a run of its own.
    """
    if "trunk" in df.columns and df["trunk"].notna().any():
        own = df["run"].astype(str) if "run" in df.columns else df.index.to_series().astype(str)
        labels = df["trunk"].astype(object).where(df["trunk"].notna(), "run " + own)
        return "trunk", np.unique(labels.astype(str).to_numpy(), return_inverse=True)[1]
    if "run" in df.columns and df["run"].notna().all():
        return "run", np.unique(df["run"].astype(str).to_numpy(), return_inverse=True)[1]
    return "row", np.arange(len(df))


def cluster_weights(clusters: Index, points: Index, need: int, draws: int, seed: int) -> Array:
    """How often each cluster is in each replicate: [draws, n_clusters], rows summing to n_clusters.

    points: which distinct (N, D) point each row is. A replicate with fewer than `need` of them
    cannot be fitted and is drawn again. Raises InputError where that is hopeless.
    """
    return shared_weights([(clusters, points, need)], draws, seed)


def shared_weights(fits: Sequence[tuple[Index, Index, int]], draws: int, seed: int) -> Array:
    """The same for several fits to runs of the same clusters: replicates that all can be fitted to.

    fits: of each its rows' clusters, by their common number, its rows' points, and how many it
    needs.
    """
    generator = np.random.default_rng(seed)
    count = max(int(clusters.max()) for clusters, _, _ in fits) + 1
    chance = np.full(count, 1 / count)
    weights = np.zeros((draws, count))
    todo = np.arange(draws)
    for _ in range(_REDRAWS):
        weights[todo] = generator.multinomial(count, chance, size=len(todo))
        drawn = weights[todo] > 0
        few = np.array([any(_too_few(own, *one) for one in fits) for own in drawn], dtype=bool)
        todo = todo[few]
        if todo.size == 0:
            return weights
    need = max(need for _, _, need in fits)
    raise InputError(
        f"{count} independent runs are too few to bootstrap {need} free parameters: a resample "
        f"rarely holds {need} distinct points; train more runs, fix parameters, or ask for no draws"
    )


def _too_few(drawn: NDArray[np.bool_], clusters: Index, points: Index, need: int) -> bool:
    """Whether the clusters drawn hold fewer than `need` distinct points. No table of clusters by
    points is made: of 100,000 runs that would take 75 GB."""
    seen = np.zeros(int(points.max()) + 1, dtype=bool)
    seen[points[drawn[clusters]]] = True
    return int(seen.sum()) < need


@dataclass(frozen=True)
class Sampled:
    """Draws u [draws, p] in a problem's coordinates, and which part of them converged."""

    u: Array
    converged: float
    kind: Kind


def check_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        raise InputError(f"draws of kind {kind!r}; valid: {', '.join(get_args(Kind))}")


def sample(
    problem: Problem,
    u: Array,
    engine: ModuleType,
    clusters: Index,
    points: Index,
    kind: Kind,
    draws: int,
    seed: int,
    counts: Array | None = None,
) -> Sampled:
    """Draws around the estimate u [p], from the objective that it minimises.

    counts [draws, clusters]: of replicates that were drawn before, for several fits alike.

    cluster, row: refits to resampled runs or rows (Efron 1979). residual: refits to fitted
    values plus residuals drawn with replacement. wild: residuals keep their rows and change sign
    by cluster (Rademacher weights; Cameron, Gelbach & Miller 2008). laplace: normal, with the
    cluster-robust sandwich covariance at u.
    """
    if draws == 0:
        return Sampled(np.zeros((0, problem.size)), 1.0, kind)
    if kind == "laplace":
        return Sampled(_laplace(problem, u, clusters, draws, seed), 1.0, kind)
    if kind in ("cluster", "row"):
        units = clusters if kind == "cluster" else np.arange(problem.rows)
        if counts is None:
            counts = cluster_weights(units, points, problem.size, draws, seed)
    step = max(1, _BLOCK // problem.rows)
    parts = []
    for i in range(0, draws, step):
        size = min(step, draws - i)
        if counts is not None:
            weights, shifts = counts[i : i + step][:, units], None
        else:
            weights = np.ones((size, problem.rows))
            shifts = _shifts(problem, u, clusters, kind, size, [seed, i])
        parts.append(stages.solve_many(problem, weights, u, engine, shifts))
    solved = Solutions.join(parts)
    return Sampled(solved.u, float(solved.converged.mean()), kind)


def _shifts(
    problem: Problem, u: Array, clusters: Index, kind: Kind, draws: int, seed: list[int]
) -> Array:
    """What targets move by in each replicate: from observed to fitted plus other noise."""
    generator = np.random.default_rng(seed)
    fitted = problem.residuals(u)  # fitted - observed
    noise = -fitted * np.sqrt(problem.rows / max(problem.rows - problem.size, 1))
    if kind == "wild":
        signs = generator.choice([-1.0, 1.0], size=(draws, int(clusters.max()) + 1))
        return np.asarray(fitted + signs[:, clusters] * noise)
    noise = noise - noise.mean()
    return np.asarray(fitted + noise[generator.integers(problem.rows, size=(draws, problem.rows))])


def _laplace(problem: Problem, u: Array, clusters: Index, draws: int, seed: int) -> Array:
    """Normal draws with the sandwich's covariance; coordinates at a bound stay there."""
    free, _, half = sandwich(problem, u, clusters)
    normal = np.random.default_rng(seed).normal(size=(draws, half.shape[1]))
    moved = np.broadcast_to(u, (draws, problem.size)).copy()
    moved[:, free] += normal @ half.T
    return np.clip(moved, problem.lower, problem.upper)


def sandwich(problem: Problem, u: Array, clusters: Index) -> tuple[NDArray[np.bool_], Array, Array]:
    """Which coordinates are free at u [p]; H^-1 over these; S with S S' = H^-1 (sum g g') H^-1, the
    sum over clusters [free, clusters]: the covariance of the estimate where the objective isn't
    a likelihood and points of a cluster move together (Huber 1967; Liang & Zeger 1986)."""
    free = (u > problem.lower) & (u < problem.upper)
    here = problem.local(u[None], problem.weights[None])
    slopes = problem.weights * problem.objective(problem.residuals(u)).slope
    scores = np.zeros((int(clusters.max()) + 1, problem.size))
    np.add.at(scores, clusters, slopes[:, None] * problem.jacobian(u))
    bread = np.linalg.pinv(here.hessian[0][np.ix_(free, free)], hermitian=True)
    half = bread @ scores[:, free].T * np.sqrt(len(scores) / max(len(scores) - 1, 1))
    return free, bread, half
