"""Functions of ln C learnt at the budgets: Gaussian processes, averaged over their settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

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
    """Candidate priors of one function, s of them, over the b budgets followed by the k knots.

    mean [s, b + k] and kernel [s, b + k, b + k] of the function; scatter [s]: sd of a budget's own
    deviation; log_prior [s].
    """

    mean: Array
    kernel: Array
    scatter: Array
    log_prior: Array


def learn(
    settings: Settings,
    knots: Array,
    seen: Array,
    seen_cov: Array,
    unit: Array,
    draws: int,
    rng: np.random.Generator,
) -> Path:
    """The function given its noisy values `seen` [b] at the budgets, with covariance [b, b].

    unit [b]: what a budget's scatter is in units of. Settings weigh by their evidence; each draw
    takes one of them and is a path of its prior moved onto the values seen, plus noise drawn as
    theirs was: an exact draw of the posterior (Matheron's rule: Wilson et al. 2020,
    arXiv:2002.09309).
    """
    b = len(seen)
    scatter = settings.scatter[:, None, None] ** 2 * np.diag(unit**2)
    total = settings.kernel[:, :b, :b] + scatter + seen_cov
    factor = np.linalg.cholesky(total)
    off = seen - settings.mean[:, :b]
    pull = np.linalg.solve(total, off[..., None])[..., 0]
    evidence = -0.5 * (off * pull).sum(axis=1) - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(
        axis=1
    )
    log_weight = evidence + settings.log_prior
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    means = settings.mean + np.einsum("spb,sb->sp", settings.kernel[:, :, :b], pull)
    chosen = rng.choice(len(weight), size=draws, p=weight)
    used, which = np.unique(chosen, return_inverse=True)
    kernel = settings.kernel[used]
    largest = np.diagonal(kernel, axis1=1, axis2=2).max(axis=1)
    prior = np.linalg.cholesky(
        kernel + (_JITTER * largest)[:, None, None] * np.eye(kernel.shape[1])
    )
    path = settings.mean[chosen] + np.einsum(
        "dpq,dq->dp", prior[which], rng.normal(size=(draws, kernel.shape[1]))
    )
    noise = np.linalg.cholesky(scatter[used] + seen_cov)
    noisy = path[:, :b] + np.einsum("dbq,dq->db", noise[which], rng.normal(size=(draws, b)))
    pulled = np.linalg.solve(total[chosen], (seen - noisy)[..., None])[..., 0]
    path = path + np.einsum("dpb,db->dp", kernel[which][:, :, :b], pulled)
    return Path(knots, (weight @ means)[b:], path[:, b:], settings.scatter[chosen])
