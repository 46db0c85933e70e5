"""Hoffmann's Approaches 1 and 2: N_opt and D_opt as power laws of C without a law of the loss.

Approach 1 (arXiv:2203.15556, section 3.1): the lower envelope of loss against compute. Approach 2
(section 3.2): at each budget a parabola of loss in ln N, whose minimum is N_opt. Both end in a
straight line of ln N_opt on ln C, bootstrapped over clusters like Approach 3, which is `fit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import c_6nd
from scaling.errors import InputError
from scaling.fit.budgets import SAME_BUDGET, budget_numbers
from scaling.fit.draws import cluster_weights, clusters_of
from scaling.fit.prediction import Draws
from scaling.table import check_table, conventions, select_rows

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_PER_BUDGET = 4  # sizes that a parabola needs: three fix it, the fourth shows that it fits
_BUDGETS = 3  # minima that a power law needs: two fix it
_PER_DECADE = 25  # grid of compute on which curves are compared
_CURVES = 3  # curves that an envelope needs


@dataclass(frozen=True, eq=False)
class Allocation:
    """N_opt ~ C^a and D_opt ~ C^b by one approach, with the optima that the lines go through.

    C, N_opt, D_opt: the optima, each [n]. n_line, d_line: heights of the two lines at `c_centre`
    (ln N and ln D at ln C), with the same draws as a and b. c_kind: where C comes from, "6ND" or
    the table's C_kind. notes: what was left out, and why.
    """

    name: str
    a: Draws
    b: Draws
    n_line: Draws
    d_line: Draws
    c_centre: float
    C: Array
    N_opt: Array
    D_opt: Array
    c_kind: str
    notes: tuple[str, ...]

    def n_opt(self, C: float) -> Draws:
        """N_opt that the line says for C FLOPs."""
        return _along(self.a, self.n_line, np.log(C) - self.c_centre)

    def d_opt(self, C: float) -> Draws:
        """D_opt that the line says for C FLOPs."""
        return _along(self.b, self.d_line, np.log(C) - self.c_centre)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "a": {"value": float(self.a.point), "interval": [float(v) for v in self.a.interval()]},
            "b": {"value": float(self.b.point), "interval": [float(v) for v in self.b.interval()]},
            "C": self.C.tolist(),
            "N_opt": self.N_opt.tolist(),
            "D_opt": self.D_opt.tolist(),
            "c_kind": self.c_kind,
            "notes": list(self.notes),
        }


def _along(slope: Draws, height: Draws, run: float) -> Draws:
    return Draws(np.exp(height.point + slope.point * run), np.exp(height.draws + slope.draws * run))


@dataclass(frozen=True, eq=False)
class Points:
    """Rows of a table in logs, in one order whatever order the table has."""

    n: Array  # ln N
    d: Array  # ln D
    c: Array  # ln C
    loss: Array  # nats
    clusters: Index
    labels: Index  # curve each row belongs to
    c_kind: str
    source: str


def approach_1(
    table: pd.DataFrame,
    *,
    N: str = "N",
    draws: int = 1000,
    seed: int = 0,
    where: str | None = None,
) -> Allocation:
    """The lower envelope of the loss curves: at each C the size that is best there.

    A curve is a trunk, a run or, without these, the rows of one N, with its loss interpolated in ln
    C between its points. Raises InputError where there are no three curves or none cross, as in an
    isoFLOP table whose sizes are all different.
    """
    p = points_of(table, N, where)
    rows_of = _curves(p)
    if len(rows_of) < _CURVES:
        raise InputError(
            f"{p.source}: Approach 1 needs at least {_CURVES} curves (sizes seen at 2 or more "
            f"values of D); there are {len(rows_of)}"
        )
    grid = _grid(p, rows_of)
    losses = np.full((len(rows_of), len(grid)), np.inf)
    sizes = np.zeros_like(losses)
    tokens = np.zeros_like(losses)
    for i, rows in enumerate(rows_of):
        inside = (grid >= p.c[rows[0]]) & (grid <= p.c[rows[-1]])
        losses[i, inside] = np.interp(grid[inside], p.c[rows], p.loss[rows])
        tokens[i] = np.interp(grid, p.c[rows], p.d[rows])
        sizes[i] = np.interp(grid, p.c[rows], p.n[rows])
    compared = np.isfinite(losses).sum(axis=0) >= 2
    grid, losses, tokens, sizes = (v[..., compared] for v in (grid, losses, tokens, sizes))
    column = np.arange(len(grid))
    if len(grid) < 2 or len(np.unique(losses.argmin(axis=0))) < 2:
        raise InputError(
            f"{p.source}: Approach 1 needs curves that overlap in C and cross; one size is best "
            "wherever two can be compared"
        )
    weights = _weights(np.arange(len(rows_of)), draws, seed)
    present = np.concatenate([np.ones((1, len(rows_of)), bool), weights > 0])
    masked = np.where(present[:, :, None], losses[None], np.inf)
    best = masked.argmin(axis=1)  # [1 + draws, grid]
    seen = np.isfinite(masked.min(axis=1))
    a, n_line = line(grid, sizes[best, column], seen)
    b, d_line = line(grid, tokens[best, column], seen)
    top = best[0]
    return Allocation(
        "approach_1",
        Draws(a[0], a[1:]),
        Draws(b[0], b[1:]),
        Draws(n_line[0], n_line[1:]),
        Draws(d_line[0], d_line[1:]),
        float(grid.mean()),
        np.exp(grid),
        np.exp(sizes[top, column]),
        np.exp(tokens[top, column]),
        p.c_kind,
        (f"{len(rows_of)} curves, {len(grid)} values of C",),
    )


def approach_2(
    table: pd.DataFrame,
    *,
    N: str = "N",
    draws: int = 1000,
    seed: int = 0,
    where: str | None = None,
) -> Allocation:
    """IsoFLOP parabolas: at each budget the loss is a parabola in ln N, its minimum is N_opt.

    Rows whose C lies within 10 % of a neighbour's share a budget. A budget counts with at least 4
    sizes and a minimum among them. Raises InputError, which says why, where fewer than 3 do.
    """
    p = points_of(table, N, where)
    kept, notes = profiles(p)
    row_weights = _weights(p.clusters, draws, seed)[:, p.clusters]
    weights = np.concatenate([np.ones((1, len(p.n))), row_weights])
    found = [vertex(p.n[rows], p.loss[rows], weights[:, rows]) for rows in kept]
    n_opt = np.stack([at.n for at in found], axis=1)  # [1 + draws, budgets]
    seen = np.stack([at.inside for at in found], axis=1)
    c = np.array([p.c[rows].mean() for rows in kept])
    # what a token costs at N_opt, from the budget's own rows: D_opt = C / that
    d_opt = np.stack([_tokens(p, rows, n_opt[:, i]) for i, rows in enumerate(kept)], axis=1)
    (a, n_line), (b, d_line) = line(c, n_opt, seen), line(c, d_opt, seen)
    return Allocation(
        "approach_2",
        Draws(a[0], a[1:]),
        Draws(b[0], b[1:]),
        Draws(n_line[0], n_line[1:]),
        Draws(d_line[0], d_line[1:]),
        float(c.mean()),
        np.exp(c),
        np.exp(n_opt[0]),
        np.exp(d_opt[0]),
        p.c_kind,
        (f"{len(kept)} budgets", *notes),
    )


def profiles(p: Points) -> tuple[list[Index], list[str]]:
    """The rows of each isoFLOP budget that counts, and why others do not.

    Raises InputError, which says why, where fewer than 3 count.
    """
    budget = budget_numbers(p.c)
    notes, kept = [], []
    for k in range(int(budget.max()) + 1):
        rows = np.flatnonzero(budget == k)
        if len(np.unique(np.round(p.n[rows], 6))) < _PER_BUDGET:
            continue  # not an isoFLOP profile at all
        if vertex(p.n[rows], p.loss[rows], np.ones((1, len(rows)))).inside[0]:
            kept.append(rows)
        else:
            notes.append(
                f"budget C = {np.exp(p.c[rows].mean()):.3g} has no minimum among its sizes"
            )
    if len(kept) < _BUDGETS:
        told = f" ({'; '.join(notes)})" if notes else ""
        raise InputError(
            f"{p.source}: Approach 2 needs at least {_BUDGETS} isoFLOP budgets (equal C, "
            f"{_PER_BUDGET} or more sizes, a minimum among them); there are {len(kept)}{told}"
        )
    return kept, notes


def points_of(table: pd.DataFrame, n_column: str, where: str | None) -> Points:
    """The fitted rows in logs. C is the table's own where it has one, else 6ND, and says which."""
    rows, _ = select_rows(table, where)
    check_table(rows, (n_column, "D", "loss"))
    kinds = conventions(rows)
    rows = rows.sort_values([n_column, "D", "loss"], kind="stable")
    n, d = (np.log(rows[k].to_numpy(dtype=float)) for k in (n_column, "D"))
    if "C" in rows.columns:
        check_table(rows, ("C",))
        c, kind = np.log(rows["C"].to_numpy(dtype=float)), f"the table's, {kinds['C_kind']}"
    else:
        c, kind = np.log(c_6nd(np.exp(n), np.exp(d))), "6ND"
    by, clusters = clusters_of(rows)
    labels = clusters
    if by == "row" or len(np.unique(clusters)) == len(rows):  # every point is a run of its own
        labels = np.unique(n, return_inverse=True)[1]
    loss = rows["loss"].to_numpy(dtype=float)
    source = str(table.attrs.get("source", "table"))
    return Points(n, d, c, loss, clusters, labels, kind, source)


def _curves(p: Points) -> list[Index]:
    """Rows of each curve of at least 2 points in order of C; curves of one size stay apart."""
    found = []
    for label in np.unique(p.labels):
        rows = np.flatnonzero(p.labels == label)
        rows = rows[np.argsort(p.c[rows], kind="stable")]
        if len(rows) > 1 and np.ptp(p.c[rows]) > SAME_BUDGET:
            found.append(rows)
    return found


def _grid(p: Points, rows_of: list[Index]) -> Array:
    low = min(p.c[rows[0]] for rows in rows_of)
    high = max(p.c[rows[-1]] for rows in rows_of)
    return np.linspace(low, high, max(2, int((high - low) / np.log(10) * _PER_DECADE)))


def _weights(clusters: Index, draws: int, seed: int) -> Array:
    """Bootstrap weights [draws, clusters]; a replicate needs no more than two of them."""
    count = int(clusters.max()) + 1
    if draws == 0:
        return np.zeros((0, count))
    return cluster_weights(clusters, np.arange(len(clusters)), min(2, count), draws, seed)


class Vertex(NamedTuple):
    """Minima of weighted parabolas of loss in ln N, each [b].

    n: ln N. loss: the parabola there. curvature: of loss = loss + curvature (ln N - n)^2. inside:
    whether there is a minimum among the sizes; the rest says nothing where not.
    """

    n: Array
    loss: Array
    curvature: Array
    inside: NDArray[np.bool_]


def vertex(n: Array, loss: Array, weights: Array) -> Vertex:
    """Minimum of a parabola of loss in n = ln N: n and loss [rows], weights [b, rows]."""
    middle = n.mean()
    x = n - middle
    powers = np.stack([np.ones_like(x), x, x**2], axis=1)
    monomials = (powers[:, :, None] * powers[:, None, :]).reshape(len(x), 9)
    gram = (weights @ monomials).reshape(-1, 3, 3)
    right = (weights * loss) @ powers
    distinct = _distinct_sizes(x, weights)
    gram = np.where((distinct >= 3)[:, None, None], gram, np.eye(3))
    q = np.linalg.solve(gram, right[..., None])[..., 0]
    curved = (distinct >= 3) & (q[:, 2] > 0)
    at = np.where(curved, -0.5 * q[:, 1] / np.where(curved, q[:, 2], 1.0), 0.0)
    inside = curved & (at >= x.min()) & (at <= x.max())
    return Vertex(middle + at, q[:, 0] + 0.5 * q[:, 1] * at, q[:, 2], inside)


def _distinct_sizes(x: Array, weights: Array) -> Array:
    number = np.unique(np.round(x, 6), return_inverse=True)[1]
    holds = np.zeros((len(x), int(number.max()) + 1))
    holds[np.arange(len(x)), number] = 1.0
    return np.asarray(((weights > 0) @ holds > 0).sum(axis=1), dtype=float)


def _tokens(p: Points, rows: Index, n_opt: Array) -> Array:
    """ln D at n_opt on this budget: ln D against ln N is nearly a line of slope -1."""
    slope, at_zero = np.polyfit(p.n[rows], p.d[rows], 1)
    return np.asarray(slope * n_opt + at_zero)


def line(x: Array, y: Array, seen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """A line through the points seen: x [n], y and seen [b, n] -> slope and height at mean x, [b].

    Replicates in which fewer than two points are seen have no line and are left out, all but the
    first, which is the estimate itself.
    """
    w = seen.astype(float)
    total = np.maximum(w.sum(axis=1, keepdims=True), 1.0)
    x_mean = (w * x).sum(axis=1, keepdims=True) / total
    y_mean = (w * y).sum(axis=1, keepdims=True) / total
    spread = (w * (x - x_mean) ** 2).sum(axis=1)
    slope = (w * (x - x_mean) * (y - y_mean)).sum(axis=1) / np.maximum(spread, 1e-300)
    height = y_mean[:, 0] + slope * (x.mean() - x_mean[:, 0])
    usable = (w.sum(axis=1) >= 2) & (spread > 1e-12)
    usable[0] = True
    return slope[usable], height[usable]


def side_by_side(
    table: pd.DataFrame,
    *,
    N: str = "N",
    draws: int = 1000,
    seed: int = 0,
    where: str | None = None,
) -> tuple[list[Allocation], list[str]]:
    """Approaches 1 and 2 where the table allows them, and why it doesn't where not."""
    done, refused = [], []
    for approach in (approach_1, approach_2):
        try:
            done.append(approach(table, N=N, draws=draws, seed=seed, where=where))
        except InputError as error:
            refused.append(str(error))
    return done, refused
