"""Bootstrap over clusters: how far the estimate would move with other runs.

Points of one trunk are not independent, so whole clusters are drawn. A replicate is a vector of
integer row weights on the shared rows, not a copy of the table, and starts at the full fit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.problem import Array, Problem, Solutions

Index = NDArray[np.intp]
Solver = Callable[[Problem, Array, Array], Solutions]

_REDRAWS = 100
_BLOCK = 4_000_000  # replicates x rows whose weights exist at once: 32 MB


def clusters_of(df: pd.DataFrame) -> tuple[str, Index]:
    """What is drawn as a whole, and each row's cluster number: trunks, else runs, else rows.

    An empty `trunk` is a run of its own.
    """
    if "trunk" in df.columns and df["trunk"].notna().any():
        own = (
            df["run"].astype(str)
            if "run" in df.columns
            else pd.Series(df.index.astype(str), df.index)
        )
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
    generator = np.random.default_rng(seed)
    count = int(clusters.max()) + 1
    chance = np.full(count, 1 / count)
    holds = np.zeros((count, int(points.max()) + 1))
    holds[clusters, points] = 1.0
    weights = np.zeros((draws, count))
    todo = np.arange(draws)
    for _ in range(_REDRAWS):
        weights[todo] = generator.multinomial(count, chance, size=len(todo))
        distinct = ((weights[todo] > 0) @ holds > 0).sum(axis=1)
        todo = todo[distinct < need]
        if todo.size == 0:
            return weights
    raise InputError(
        f"{count} independent runs are too few to bootstrap {need} free parameters: a resample "
        f"rarely holds {need} distinct points; train more runs, fix parameters, or ask for no draws"
    )


def bootstrap(
    problem: Problem, clusters: Index, weights: Array, start: Array, solve_many: Solver
) -> Solutions:
    """Refit each replicate: weights [draws, n_clusters] over clusters, from the start u [p]."""
    step = max(1, _BLOCK // problem.rows)
    parts = [
        solve_many(problem, weights[i : i + step][:, clusters], start)
        for i in range(0, len(weights), step)
    ]
    return Solutions.join(parts)
