"""All isoFLOP profiles of a table at once: one shape for all budgets, a minimum for each.

At a budget the loss is L = L_b (1 + h(z)), z = ln N - n_b, with its minimum L_b at ln N = n_b. The
elevation h(z) = w [(e^(-alpha z) - 1) / alpha + (e^(beta z) - 1) / beta] is what a sum of power
laws E + A / N^alpha + B / D^beta leaves along a budget, with its level w free of the decline of the
minima. w drifts as C^d. Source: our own; the decoupling answers what tying the two did to forecasts
(docs/rollout.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Normal priors of ln w, ln alpha, ln beta and d. Exponents: those printed for language models lie
# around .35. d: along the optima of such a law the elevation falls as the frontier's slope does,
# between C^-.12 (Hoffmann's) and C^0 (no irreducible loss).
SHAPE = np.array([np.log(0.1), np.log(0.35), np.log(0.35), -0.05])
SHAPE_SD = np.array([1.0, 0.5, 0.5, 0.05])
# Of n_b around the middle of its budget's best rows, in ln N: a budget may show no minimum.
_MINIMUM_SD = 0.7
# The shape's own error, one sd: a tenth of the elevation, and a larger part of it from .3 up.
_ELEVATION, _FAR = 0.1, 0.3
# Prior of the rows' noise in ln loss, and the rows that it weighs.
_NOISE, _NOISE_ROWS = 0.0015, 4.0
_NEAR = 0.03  # rows within 3 % of a budget's best show where its middle is
TAILS = 5.0  # degrees of freedom of the rows' noise
_ROUNDS = 40
_WIDEST = 12.0  # ln N from the optimum beyond which the elevation no longer grows


@dataclass(frozen=True, eq=False)
class Profiles:
    """The fitted profiles of b budgets.

    c, n, loss: ln C, ln N_opt and ln of the loss at the minimum, each [b], with covariances n_cov
    and loss_cov [b, b]. shape: ln w, ln alpha, ln beta, d, with shape_cov [4, 4]; w is at `centre`,
    a ln C. noise: sd of a row's ln loss at the optimum.
    """

    c: Array
    n: Array
    n_cov: Array
    loss: Array
    loss_cov: Array
    shape: Array
    shape_cov: Array
    centre: float
    noise: float

    def elevation(self, z: Array, c: Array, shape: Array) -> Array:
        """ln of loss over the budget's best at ln N = n + z and ln C = c; shape [..., 4]."""
        return _elevation(z, c - self.centre, shape)[0]

    def row_sd(self, elevation: Array) -> Array:
        """Standard deviation of ln loss of one run, where the shape says `elevation`."""
        return np.asarray(np.hypot(self.noise, _shape_sd(elevation)))


def _elevation(z: Array, c: Array, shape: Array) -> tuple[Array, Array, Array]:
    """ln(1 + h) at z and centred ln C, its derivative by z, and by the shape [..., 4]."""
    ln_w, ln_alpha, ln_beta, drift = np.moveaxis(shape, -1, 0)
    alpha, beta = np.exp(ln_alpha), np.exp(ln_beta)
    z = np.clip(z, -_WIDEST, _WIDEST)
    w = np.exp(ln_w + drift * c)
    left, right = np.expm1(-alpha * z), np.expm1(beta * z)
    h = w * (left / alpha + right / beta)
    by_alpha = -w * (z * (left + 1) + left / alpha)
    by_beta = w * (z * (right + 1) - right / beta)
    by_shape = np.stack([h, by_alpha, by_beta, c * h], axis=-1)
    return np.log1p(h), w * (right - left) / (1 + h), by_shape / (1 + h)[..., None]


def fit_profiles(n: Array, c: Array, loss: Array, budget: Index) -> Profiles:
    """Fit all profiles together: ln N, ln C, ln loss and the budget's number of each row [rows].

    The posterior mode by Gauss-Newton steps, under noise with Student's tails whose variance is the
    rows' plus that of the shape's own error, which grows with the elevation: rows far from the
    optimum say little of the minima, and still fix the shape. The covariances are Laplace's.
    """
    posterior = _Posterior(n, c, loss, budget)
    count = posterior.count
    u, variance = posterior.prior, _NOISE**2
    for _ in range(_ROUNDS):
        moved = posterior.step(u, variance)
        before, variance = variance, posterior.noise(moved, variance)
        change = np.abs(moved - u).max()
        u = moved
        if change < 1e-5 and abs(variance / before - 1) < 1e-3:
            break
    covariance = posterior.covariance(u, variance)
    minima, shape = slice(count, 2 * count), slice(2 * count, None)
    rows = np.bincount(budget)
    return Profiles(
        c=np.bincount(budget, c) / rows,
        n=u[minima],
        n_cov=covariance[minima, minima],
        loss=u[:count],
        loss_cov=covariance[:count, :count],
        shape=u[shape],
        shape_cov=covariance[shape, shape],
        centre=posterior.centre,
        noise=float(np.sqrt(variance)),
    )


class _Posterior:
    """Of u: ln loss at each budget's minimum [count], ln N there [count], and the shape [4]."""

    def __init__(self, n: Array, c: Array, loss: Array, budget: Index) -> None:
        self.n, self.loss, self.budget = n, loss, budget
        self.count = int(budget.max()) + 1
        self.centre = float(c.mean())
        self.c = c - self.centre
        best = np.full(self.count, np.inf)
        np.minimum.at(best, budget, loss)
        near = loss <= best[budget] + _NEAR
        middle = np.bincount(budget[near], n[near]) / np.bincount(budget[near])
        self.prior = np.concatenate([best, middle, SHAPE])
        flat, known = np.zeros(self.count), np.full(self.count, _MINIMUM_SD**-2.0)
        self.precision = np.concatenate([flat, known, SHAPE_SD**-2.0])

    def local(self, u: Array) -> tuple[Array, Array, Array]:
        """Residuals [rows], derivatives of the prediction [rows, p], elevations [rows]."""
        count, rows = self.count, np.arange(len(self.n))
        z = self.n - u[count : 2 * count][self.budget]
        up, by_z, by_shape = _elevation(z, self.c, u[2 * count :])
        jacobian = np.zeros((len(rows), len(u)))
        jacobian[rows, self.budget] = 1.0
        jacobian[rows, count + self.budget] = -by_z
        jacobian[:, 2 * count :] = by_shape
        return self.loss - u[self.budget] - up, jacobian, up

    def value(self, u: Array, variance: float) -> float:
        """Minus the log posterior, up to a constant; variance: the rows' own."""
        residual, _, up = self.local(u)
        v = variance + _shape_sd(up) ** 2
        likelihood = (TAILS + 1) * np.log1p(residual**2 / (TAILS * v)) + np.log(v)
        prior = self.precision * (u - self.prior) ** 2
        return float(0.5 * (likelihood.sum() + prior.sum()))

    def step(self, u: Array, variance: float) -> Array:
        """A Gauss-Newton step from u, of less than an e-fold, halved until it is a gain."""
        residual, jacobian, up = self.local(u)
        v = variance + _shape_sd(up) ** 2
        weight = _robust(residual, v) / v
        slope = jacobian.T @ (weight * residual) - self.precision * (u - self.prior)
        full = np.linalg.solve(self._information(jacobian, weight), slope)
        size = min(1.0, 1.0 / max(float(np.abs(full[self.count :]).max()), 1e-9))
        here = self.value(u, variance)
        while size > 1e-4:
            if self.value(u + size * full, variance) <= here:
                return np.asarray(u + size * full)
            size *= 0.5
        return u

    def noise(self, u: Array, variance: float) -> float:
        """The rows' variance, updated: each residual's part that is not the shape's error."""
        residual, _, up = self.local(u)
        v = variance + _shape_sd(up) ** 2
        part = variance / v
        rows = len(residual)
        left = max(rows - 2 * self.count - 3, 1) / rows  # degrees of freedom, of each row
        total = (_robust(residual, v) * (residual * part) ** 2).sum() + _NOISE_ROWS * _NOISE**2
        return float(total / (part.sum() * left + _NOISE_ROWS))

    def covariance(self, u: Array, variance: float) -> Array:
        """Laplace's, where no row tells more than normal noise would let it."""
        residual, jacobian, up = self.local(u)
        v = variance + _shape_sd(up) ** 2
        weight = np.minimum(_robust(residual, v), 1.0) / v
        return np.asarray(np.linalg.inv(self._information(jacobian, weight)), dtype=float)

    def _information(self, jacobian: Array, weight: Array) -> Array:
        return np.asarray(jacobian.T @ (jacobian * weight[:, None]) + np.diag(self.precision))


def _robust(residual: Array, variance: Array) -> Array:
    """What Student's tails leave of a row's weight."""
    return np.asarray((TAILS + 1) / (TAILS + residual**2 / variance))


def _shape_sd(up: Array) -> Array:
    """The shape's own error where it says the elevation `up`."""
    return np.asarray(_ELEVATION * up * (1 + up / _FAR))
