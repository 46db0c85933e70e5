"""Approach 2 as a whole predictor: its line of optima, and a power law with an offset through the
lowest losses of its parabolas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.fit.approaches import line, points_of, profiles, vertex
from scaling.fit.budgets import SIZES
from scaling.fit.draws import cluster_weights
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.rows import WITHIN, near_optimal, rows_of

Array = NDArray[np.float64]

_EXPONENTS = np.linspace(0.03, 0.4, 38)  # of the frontier; published: .05 to .2
_MINIMA = 3  # that a frontier of three parameters needs in each replicate


@dataclass(frozen=True, eq=False)
class Parabolas:
    """L = (E + k (C / centre)^-g) (1 + q (ln N - ln N_opt)^2) with ln N_opt a line in ln C.

    Each parameter: its estimate first, then the bootstrap's, [1 + draws]. slope, height: of the
    line at ln `centre`. residuals: of ln loss, of the rows behind it.

    Source: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.2, for the optima; the frontier and
    the shared relative curvature q are ours, so that Approach 2 says something of the loss.
    """

    slope: Array
    height: Array
    E: Array
    k: Array
    g: Array
    q: Array
    centre: float
    residuals: Array
    cost: Cost
    c_min: float
    c_max: float
    n_column: str
    seed: int

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; `noise` adds the rows' residuals to the draws."""
        N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
        c = np.log(self.cost.flops_per_token(N) * D)
        n_opt, frontier = self._at(c)
        q = self.q.reshape((-1,) + (1,) * c.ndim)
        values = frontier * (1 + q * (np.log(N) - n_opt) ** 2)
        point, draws = values[0], values[1:]
        if noise and len(draws):
            draws = draws * np.exp(self.noise(draws.shape))
        return Draws(point, draws)

    def noise(self, shape: tuple[int, ...]) -> Array:
        """Residuals of ln loss at random."""
        pick = np.random.default_rng([self.seed, 1]).integers(len(self.residuals), size=shape)
        return np.asarray(self.residuals[pick])

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]."""
        C = np.asarray(C, dtype=float)
        n_opt, frontier = self._at(np.log(C))
        N = np.exp(n_opt)
        D = self.cost.tokens(C, N)
        return Optimum(*(Draws(v[0], v[1:]) for v in (N, D, frontier)))

    def _at(self, c: Array) -> tuple[Array, Array]:
        """ln N_opt and the lowest loss at ln C [...], each [1 + draws, ...]."""
        x = c - self.centre
        column = [
            v.reshape((-1,) + (1,) * x.ndim)
            for v in (self.slope, self.height, self.E, self.k, self.g)
        ]
        slope, height, E, k, g = column
        return height + slope * x, E + k * np.exp(-g * x)


def parabolas(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Parabolas:
    """Approach 2 fitted to an isoFLOP table, with a bootstrap over clusters.

    Of each budget only rows within 10 % of the best are seen, and its five best in any case: an
    isoFLOP profile is a parabola near its minimum alone, and published ones reach far beyond
    (Porian's to twice the lowest loss). Raises InputError where fewer than 3 budgets have a minimum
    among their sizes.
    """
    rows = rows_of(table, N)
    near = near_optimal(rows, WITHIN)
    for budget in rows.budgets:
        near[budget.rows[np.argsort(rows.loss[budget.rows], kind="stable")[:SIZES]]] = True
    p = points_of(rows.only(near), N, None)
    kept, _ = profiles(p)
    count = int(p.clusters.max()) + 1
    weights = np.ones((1, len(p.n)))
    if draws:
        drawn = cluster_weights(p.clusters, np.arange(len(p.n)), min(2, count), draws, seed)
        weights = np.concatenate([weights, drawn[:, p.clusters]])
    found = [vertex(p.n[r], p.loss[r], weights[:, r]) for r in kept]
    seen = np.stack([at.inside for at in found], axis=1)
    usable = seen.sum(axis=1) >= _MINIMA
    seen = seen[usable]
    n_opt, lowest, curvature = (
        np.stack([getattr(at, name) for at in found], axis=1)[usable]
        for name in ("n", "loss", "curvature")
    )
    c = np.array([p.c[r].mean() for r in kept])
    slope, height = line(c, n_opt, seen)
    E, k, g = _frontier(c - c.mean(), lowest, seen)
    relative = np.where(seen, curvature / np.where(seen, lowest, 1.0), 0.0)
    fitted = Parabolas(
        slope, height, E, k, g, relative.sum(axis=1) / seen.sum(axis=1), float(c.mean()),
        np.zeros(1), rows.cost, float(rows.C[0]), float(rows.C[-1]), N, seed,
    )  # fmt: skip
    inside = np.concatenate(kept)
    own = fitted.loss(np.exp(p.n[inside]), np.exp(p.d[inside])).point
    return replace(fitted, residuals=np.log(p.loss[inside] / own))


def _frontier(x: Array, y: Array, seen: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """E + k exp(-g x) by least squares of relative errors: x [n], y and seen [b, n] -> each [b].

    g by search, E and k in closed form; E is kept at 0 or above.
    """
    w = np.where(seen, 1.0 / np.where(seen, y, 1.0) ** 2, 0.0)
    best = np.full(len(y), np.inf)
    E, k, g = (np.zeros(len(y)) for _ in range(3))
    total = w.sum(axis=1)
    y_mean = (w * y).sum(axis=1) / total
    for exponent in _EXPONENTS:
        z = np.exp(-exponent * x)
        z_mean = (w * z).sum(axis=1) / total
        spread = (w * (z - z_mean[:, None]) ** 2).sum(axis=1)
        k_here = (w * (z - z_mean[:, None]) * (y - y_mean[:, None])).sum(axis=1) / spread
        E_here = y_mean - k_here * z_mean
        through = (w * z * y).sum(axis=1) / (w * z**2).sum(axis=1)
        k_here = np.where(E_here < 0, through, k_here)
        E_here = np.maximum(E_here, 0.0)
        misfit = (w * (y - E_here[:, None] - k_here[:, None] * z) ** 2).sum(axis=1)
        better = misfit < best
        best = np.where(better, misfit, best)
        E, k, g = (
            np.where(better, new, old) for new, old in ((E_here, E), (k_here, k), (exponent, g))
        )
    return E, k, g
