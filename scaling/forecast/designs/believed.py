"""What may be believed of a law before, or with few, runs: published priors, and the rows known.

One law, E + ((A/N^alpha)^k + (B/D^beta)^k)^(1/k), wide enough to be Hoffmann's (k = 1), Kaplan's
(E = 0, k = 1/alpha_D) or Busbridge's (k = 1/gamma). With no row its draws are those of the priors;
each row moves them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from scaling import laws
from scaling.cost import Cost
from scaling.fit.prediction import Draws, Optimum, optimal_n
from scaling.fit.priors import REFERENCE, published_beliefs
from scaling.forecast.rows import Rows, rows_of
from scaling.laws.law import Law

Array = NDArray[np.float64]

LAW = "pnorm"
_NAMES = ("E", "alpha", "beta", "height of N", "height of D")  # of `published_beliefs`, then k
_K = 0.2, 0.4  # of ln k: published values are Hoffmann's 1 and Busbridge's 1.3
_K_RANGE = 0.35, 25.0
# Prior of the runs' noise in ln loss, and the rows that it weighs.
NOISE, _NOISE_ROWS = 0.005, 4.0
_ROUNDS = 6
FREE = len(_NAMES) + 1  # parameters


@dataclass(frozen=True, eq=False)
class Believed:
    """The law under published priors, given a table's rows or none; a `Predictor`.

    z: the posterior's mode in prior standard deviations [6], `draws` around it [n, 6] by Laplace's
    approximation. noise: sd of a run's ln loss.
    """

    z: Array
    draws: Array
    noise: float
    cost: Cost
    c_min: float
    c_max: float
    n_column: str
    seed: int

    @property
    def law(self) -> Law:
        return laws.get(LAW)

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss."""
        N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
        point, draws = (_loss(v, N, D) for v in (self.z, self.draws))
        if noise:
            rng = np.random.default_rng([self.seed, 1])
            draws = draws * np.exp(self.noise * rng.normal(size=draws.shape))
        return Draws(point, draws)

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]."""
        C = np.asarray(C, dtype=float)
        found = []
        for z in (self.z[None], self.draws):
            N = optimal_n(self.law, _params(z), C, self.cost)
            D = self.cost.tokens(C, N)
            column = {k: v.reshape(-1, *(1,) * C.ndim) for k, v in _params(z).items()}
            found.append((N, D, np.asarray(self.law.predict(N=N, D=D, **column))))
        (point, draws) = found
        return Optimum(*(Draws(p[0], d) for p, d in zip(point, draws, strict=True)))


def believed(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Believed:
    """The law given the table's rows. Raises InputError for a bad table."""
    return believed_of(rows_of(table, N), draws=draws, seed=seed)


def believed_of(
    rows: Rows | None, *, N: str = "N", cost: Cost | None = None, draws: int = 500, seed: int = 0
) -> Believed:
    """The law given these rows; without any, of N at a cost (6ND)."""
    rng = np.random.default_rng([seed, 3])
    normal = rng.normal(size=(draws, FREE))
    if rows is None:
        return Believed(np.zeros(FREE), normal, NOISE, cost or Cost(), 0.0, 0.0, N, seed)
    z, half, noise = _posterior(rows)
    c_min, c_max = float(rows.C[0]), float(rows.C[-1])
    around = z + normal @ half.T
    return Believed(z, around, noise, rows.cost, c_min, c_max, rows.n_column, seed)


def _posterior(rows: Rows) -> tuple[Array, Array, float]:
    """Mode and a root of the covariance, in prior standard deviations, and the runs' noise."""
    seen, z, noise = np.log(rows.loss), np.zeros(FREE), NOISE

    def misfit(z: Array, noise: float) -> Array:
        return np.concatenate([(np.log(_loss(z, rows.N, rows.D)) - seen) / noise, z])

    for _ in range(_ROUNDS):
        found = least_squares(misfit, z, args=(noise,), method="lm")
        z, slopes = found.x, np.asarray(found.jac, dtype=float)
        total = float((found.fun[: len(seen)] ** 2).sum()) * noise**2 + _NOISE_ROWS * NOISE**2
        before, noise = noise, math.sqrt(total / (_NOISE_ROWS + max(len(seen) - len(z), 0)))
        if abs(noise / before - 1) < 1e-2:
            break
    half = np.linalg.cholesky(np.linalg.inv(slopes.T @ slopes))
    return np.asarray(z), np.asarray(half, dtype=float), float(noise)


def _loss(z: Array, N: Array, D: Array) -> Array:
    """Loss at N, D [...] of one z [6] or many [n, 6]."""
    params = {k: v.reshape((*v.shape, *(1,) * N.ndim)) for k, v in _params(z).items()}
    return np.asarray(laws.get(LAW).predict(N=N, D=D, **params), dtype=float)


def _params(z: Array) -> dict[str, Array]:
    """The law's parameters at z [..., 6]."""
    beliefs = [published_beliefs()[name] for name in _NAMES]
    logs = np.array([b.location for b in beliefs]) + z[..., :-1] * [b.scale for b in beliefs]
    E, alpha, beta, of_n, of_d = np.moveaxis(np.exp(logs), -1, 0)
    return {
        "E": E,
        "alpha": alpha,
        "beta": beta,
        "A": of_n * REFERENCE["N"] ** alpha,
        "B": of_d * REFERENCE["D"] ** beta,
        "k": np.clip(np.exp(_K[0] + _K[1] * z[..., -1]), *_K_RANGE),
    }
