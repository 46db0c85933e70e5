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
_MINIMUM_SD = (
    0.7  # of n_b around the middle of its best rows, in ln N: a budget may have no minimum
)
# The shape's own error, one sd: a tenth of the elevation, and a larger part of it from .3 up.
_ELEVATION, _FAR = 0.1, 0.3
_NOISE, _NOISE_ROWS = 0.003, 4.0  # prior of the rows' noise in ln loss, and the rows that it weighs
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


def _shape_sd(up: Array) -> Array:
    return np.asarray(_ELEVATION * up * (1 + up / _FAR))


def fit_profiles(n: Array, c: Array, loss: Array, budget: Index) -> Profiles:
    """Fit all profiles together: ln N, ln C, ln loss and the budget's number of each row [rows].

    The posterior mode by Gauss-Newton steps, under noise with Student's tails whose variance is the
    rows' plus that of the shape's own error, which grows with the elevation: rows far from the
    optimum say little of the minima, and still fix the shape. The covariances are Laplace's.
    """
    count = int(budget.max()) + 1
    rows = np.arange(len(n))
    of = [budget == b for b in range(count)]
    centre = float(c.mean())
    best = np.array([loss[own].min() for own in of])
    middle = np.array([n[own & (loss <= best[b] + _NEAR)].mean() for b, own in enumerate(of)])
    # a budget's loss is flat to _NEAR; the shape is not known any better before it is fitted
    prior = np.concatenate([best, middle, SHAPE])
    precision = np.concatenate([np.zeros(count), np.full(count, _MINIMUM_SD**-2.0), SHAPE_SD**-2.0])
    u, variance = prior.copy(), _NOISE**2
    share = max(len(n) - 2 * count - 3, 1) / len(n)  # of the rows that is left after the fit

    def local(u: Array) -> tuple[Array, Array, Array]:
        """Residuals [rows], their derivatives [rows, p] (of the prediction), elevations [rows]."""
        z = n - u[count : 2 * count][budget]
        up, by_z, by_shape = _elevation(z, c - centre, u[2 * count :])
        jacobian = np.zeros((len(n), len(u)))
        jacobian[rows, budget] = 1.0
        jacobian[rows, count + budget] = -by_z
        jacobian[:, 2 * count :] = by_shape
        return loss - u[budget] - up, jacobian, up

    def spread(up: Array) -> Array:
        return np.asarray(variance + _shape_sd(up) ** 2)

    def cost(u: Array) -> float:
        residual, _, up = local(u)
        v = spread(up)
        tails = (TAILS + 1) * np.log1p(residual**2 / (TAILS * v)) + np.log(v)
        return float(0.5 * (tails.sum() + (precision * (u - prior) ** 2).sum()))

    for _ in range(_ROUNDS):
        residual, jacobian, up = local(u)
        v = spread(up)
        weight = (TAILS + 1) / (TAILS + residual**2 / v) / v
        curvature = jacobian.T @ (jacobian * weight[:, None]) + np.diag(precision)
        slope = jacobian.T @ (weight * residual) - precision * (u - prior)
        step = np.linalg.solve(curvature, slope)
        size = min(1.0, 1.0 / max(float(np.abs(step[count:]).max()), 1e-9))
        here = cost(u)
        while size > 1e-4 and not cost(u + size * step) <= here:
            size *= 0.5
        if size > 1e-4:
            u = u + size * step
        residual, _, up = local(u)
        v = spread(up)
        part = variance / v  # of the residual's variance that is the rows' noise
        robust = (TAILS + 1) / (TAILS + residual**2 / v)
        noise = (robust * (residual * part) ** 2).sum() + _NOISE_ROWS * _NOISE**2
        before, variance = variance, noise / (part.sum() * share + _NOISE_ROWS)
        if np.abs(size * step).max() < 1e-5 and abs(variance / before - 1) < 1e-3:
            break
    residual, jacobian, up = local(u)
    v = spread(up)
    # a row's information: no more than normal noise would give
    weight = np.minimum((TAILS + 1) / (TAILS + residual**2 / v), 1.0) / v
    information = jacobian.T @ (jacobian * weight[:, None]) + np.diag(precision)
    covariance = np.asarray(np.linalg.inv(information), dtype=float)
    minima, shape = slice(count, 2 * count), slice(2 * count, None)
    return Profiles(
        c=np.array([c[own].mean() for own in of]),
        n=u[minima],
        n_cov=covariance[minima, minima],
        loss=u[:count],
        loss_cov=covariance[:count, :count],
        shape=u[shape],
        shape_cov=covariance[shape, shape],
        centre=centre,
        noise=float(np.sqrt(variance)),
    )
