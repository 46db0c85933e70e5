"""Functions of ln C learnt at the budgets: Gaussian processes, averaged over their settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_JITTER = 1e-9  # of the largest variance: keeps a smooth kernel's factor from failing


@dataclass(frozen=True, eq=False)
class Path:
    """A function of ln C at knots [k]: its mean [k] and draws [n, k], straight between and beyond.

    scatter [n]: each draw's sd of what one more budget deviates by, on its own, from the function.
    """

    knots: Array
    mean: Array
    draws: Array
    scatter: Array

    @property
    def bare(self) -> Path:
        """The mean without draws."""
        return replace(self, draws=self.draws[:0], scatter=self.scatter[:0])

    def at(self, c: Array) -> tuple[Array, Array]:
        """Mean [...] and draws [n, ...] at ln C = c [...]."""
        i = np.clip(np.searchsorted(self.knots, c) - 1, 0, len(self.knots) - 2)
        part = (c - self.knots[i]) / (self.knots[i + 1] - self.knots[i])
        return (
            np.asarray(self.mean[i] + part * (self.mean[i + 1] - self.mean[i])),
            self.draws[:, i] + part * (self.draws[:, i + 1] - self.draws[:, i]),
        )


@dataclass(frozen=True, eq=False)
class Settings:
    """Candidate priors of one function, s of them, over p points: the b budgets, then the k knots,
    then its limit where that is known to be above 0.

    The function is its mean [s, p], plus `size` [s] times a Gaussian process whose kernel is
    `kernels[which]` (kernels [m, p, p], which [s]), plus `terms` [s, p, r] with independent normal
    coefficients of sd `term_sd`. scatter [s]: sd of a budget's own deviation. log_prior [s].
    """

    mean: Array
    kernels: Array
    which: Index
    size: Array
    terms: Array
    term_sd: float
    scatter: Array
    log_prior: Array

    def covariance(self, points: slice) -> Array:
        """Of all points with these, [s, p, ...]."""
        walk = self.size[:, None, None] ** 2 * self.kernels[self.which, :, points]
        return np.asarray(
            walk + self.term_sd**2 * self.terms @ self.terms[:, points].swapaxes(1, 2)
        )

    def sample(self, chosen: Index, rng: np.random.Generator) -> Array:
        """A path of each chosen setting's prior [len(chosen), p]."""
        p, r = self.terms.shape[1:]
        normal = rng.normal(size=(len(chosen), p))
        walk = np.empty_like(normal)
        for m, kernel in enumerate(self.kernels):
            jitter = _JITTER * np.diagonal(kernel).max()
            factor = np.linalg.cholesky(kernel + jitter * np.eye(p))
            rows = self.which[chosen] == m
            walk[rows] = normal[rows] @ factor.T
        coefficient = self.term_sd * rng.normal(size=(len(chosen), r, 1))
        return np.asarray(
            self.mean[chosen]
            + self.size[chosen, None] * walk
            + (self.terms[chosen] @ coefficient)[..., 0]
        )


@dataclass(frozen=True, eq=False)
class _Limit:
    """A point known to be above 0: its mean and sd [s] before that is known, and how much every
    point moves when it moves by 1 [s, p]."""

    mean: Array
    sd: Array
    moves: Array

    @property
    def log_chance(self) -> Array:
        """ln of its probability to be above 0 [s]."""
        return np.asarray(log_ndtr(self.mean / self.sd))

    @property
    def shift(self) -> Array:
        """Of every point's mean [s, p]: that of a normal cut off at 0."""
        density = np.exp(-0.5 * (self.mean / self.sd) ** 2 - self.log_chance) / np.sqrt(2 * np.pi)
        return np.asarray(self.moves * (self.sd * density)[:, None])

    def above(self, paths: Array, chosen: Index, rng: np.random.Generator) -> Array:
        """Paths [n, p] of the chosen settings, each moved to a draw of the limit above 0."""
        u = np.log1p(-rng.random(len(paths)))
        limit = self.mean[chosen] - self.sd[chosen] * ndtri_exp(u + self.log_chance[chosen])
        return np.asarray(paths + self.moves[chosen] * (limit - paths[:, -1])[:, None])


def learn(
    settings: Settings,
    knots: Array,
    seen: Array,
    seen_cov: Array,
    unit: Array,
    draws: int,
    rng: np.random.Generator,
    *,
    limit: bool = False,
) -> Path:
    """The function given its noisy values `seen` [b] at the budgets, with covariance [b, b].

    unit [b]: what a budget's scatter is in units of. limit: whether the last point is a limit above
    0. Settings weigh by their evidence; each draw takes one of them and is a path of its prior
    moved onto the values seen, less noise drawn as theirs was: an exact draw of the posterior
    (Matheron's rule: Wilson et al. 2020, arXiv:2002.09309).
    """
    b = len(seen)
    covariance = settings.covariance(slice(b))
    noise = settings.scatter[:, None, None] ** 2 * np.diag(unit**2) + seen_cov
    total = covariance[:, :b] + noise
    off = seen - settings.mean[:, :b]
    pull = np.linalg.solve(total, off[..., None])
    log_weight = (
        settings.log_prior
        - 0.5 * (off * pull[..., 0]).sum(axis=1)
        - 0.5 * np.linalg.slogdet(total)[1]
    )
    means = settings.mean + (covariance @ pull)[..., 0]
    above = None
    if limit:
        known = np.linalg.solve(total, covariance[:, -1, :, None])
        joint = (settings.covariance(slice(-1, None)) - covariance @ known)[..., 0]
        above = _Limit(means[:, -1], np.sqrt(joint[:, -1]), joint / joint[:, -1:])
        log_weight = log_weight + above.log_chance
        means = means + above.shift
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    # a setting is drawn as often as it weighs, to within one draw
    ticks = (np.arange(draws) + rng.random()) / max(draws, 1)
    chosen = rng.permutation(np.searchsorted(np.cumsum(weight)[:-1], ticks))
    path = settings.sample(chosen, rng)
    factor = np.linalg.cholesky(noise)[chosen]
    noisy = path[:, :b] + (factor @ rng.normal(size=(draws, b, 1)))[..., 0]
    pulled = np.linalg.solve(total[chosen], (seen - noisy)[..., None])
    path = path + (covariance[chosen] @ pulled)[..., 0]
    if above is not None:
        path = above.above(path, chosen, rng)
    at = slice(b, b + len(knots))
    return Path(knots, (weight @ means)[at], path[:, at], settings.scatter[chosen])
