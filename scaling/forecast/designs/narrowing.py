"""How the interval at a target is expected to narrow as FLOPs are spent: on a design, on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq

from scaling.cost import Cost
from scaling.forecast.designs.chosen import Joint
from scaling.forecast.designs.design import Candidate, Design, Width, columns, known, width_of
from scaling.forecast.designs.prospect import joint_of
from scaling.forecast.rows import rows_of

Array = NDArray[np.float64]

_LEAST_SIDE = 2
_WIDEST = float(np.log(1e9))  # ln of the largest size over the smallest


@dataclass(frozen=True, eq=False)
class Narrowing:
    """Runs in the order in which they are trained. spent: FLOPs after none, one, two, ... of them;
    widths: expected at the target then."""

    runs: tuple[Candidate, ...]
    spent: tuple[float, ...]
    widths: tuple[Width, ...]


def narrowings(
    table: pd.DataFrame | None,
    candidates: Sequence[Candidate],
    found: Design,
    *,
    draws: int = 2000,
    seed: int = 0,
    N: str = "N",
    where: str | None = None,
) -> tuple[Narrowing, Narrowing | None]:
    """Of a design, and of the geometric grid that costs as much; all else as `design` was asked.

    The grid has about as many runs, sizes and lengths rising from the smallest candidate's in equal
    ratios, the cheapest trained first; None where its smallest cells alone cost more.
    """
    rows = None if table is None or table.empty else rows_of(table, N, where)
    ground = known(rows, candidates, N, draws, seed)
    grid = _geometric(candidates, ground.plain.cost, len(found.runs), found.spent)
    runs = [*found.runs, *grid]
    joint = joint_of(ground, *columns(runs)[:2], found.target)
    first = len(found.runs)
    ours = _course(joint, found.runs, 0)
    return ours, _course(joint, grid, first) if grid else None


def _course(joint: Joint, runs: Sequence[Candidate], first: int) -> Narrowing:
    """Of the joint's observations from `first` on, one after the other."""
    left = [joint.left(range(first, first + count)) for count in range(len(runs) + 1)]
    spent = np.concatenate([[0.0], np.cumsum(columns(runs)[2])])
    return Narrowing(tuple(runs), tuple(spent.tolist()), tuple(map(width_of, left)))


def _geometric(
    candidates: Sequence[Candidate], cost: Cost, count: int, spent: float
) -> list[Candidate]:
    """The grid of about `count` runs that takes so many FLOPs, cheapest first; empty where even
    its smallest cells take more."""
    N, D, _ = (column.min() for column in columns(candidates))
    side = max(_LEAST_SIDE, round(count**0.5))

    def grid(log_ratio: float) -> tuple[Array, Array, Array]:
        steps = np.exp(np.linspace(0.0, log_ratio, side))
        n, d = (v.ravel() for v in np.meshgrid(N * steps, D * steps))
        return n, d, cost.flops_per_token(n) * d

    def over(log_ratio: float) -> float:
        return float(np.log(grid(log_ratio)[2].sum() / spent))

    if over(0.0) > 0:
        return []
    n, d, c = grid(brentq(over, 0.0, _WIDEST))
    order = np.argsort(c, kind="stable")
    return [Candidate(*run) for run in zip(*(v[order].tolist() for v in (n, d, c)), strict=True)]
