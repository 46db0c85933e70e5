"""The default predictor of one loss-versus-scale curve: a law from which the curve may drift.

With t = ln(x / x_last), x_last the largest x of the fit,

    ln loss = a + ln(1 - r + r g(t)) + drift(t) + noise,
    g(t) = (1 + q) z / (1 + q z),  z = exp(-c t).

The law holds at x_last: r is the part of the loss there that more scale can still take away, c the
exponent, and q what is left of the fall over what has been gained since a plateau at the start
(chance), as in M4 of Alabdulmohsin et al. 2022 (arXiv:2209.06640) with alpha = 1; q = 0 is a curve
without one, b x^-c + E. No law holds over all scales, so the curve drifts from it as t leaves 0,
both ways: its slope walks at random (a Wiener process of t), and so does its level, which takes in
errors that neighbours share. These two walks make points far below x_last weigh little, as the
recency weights of the literature do, and intervals grow with distance.

Everything is integrated out: a (flat) and the noise (1/variance) exactly; c, r, q and the walks'
variances as weights of a grid's points. Priors are the same for every curve and broad: the slope at
x_last, c r, log-uniform; the rate at which it dies away, c (1 - r), exponential with mean 2; q 0,
or log-uniform from .1 to 3; the walks' variances log-uniform. A smooth trend as an integrated
Wiener process is from Wahba 1978 (J. R. Stat. Soc. B 40, 364); a walk of level and slope together
is the local linear trend of Harvey 1989 (Forecasting, Structural Time Series Models and the Kalman
Filter).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scaling.errors import InputError

Array = NDArray[np.float64]

LEAST = 3  # distinct x that a curve needs
_MOST = 100  # points that are worked on; of more, neighbours are averaged
_DRAWS = 2000
_GOLDEN = (np.sqrt(5) - 1) / 2

_EXPONENT = (0.02, 2.0)  # range of c, up to the bound of every other law's
_REDUCIBLE = (0.005, 0.999)  # of r
_PLATEAUS = np.append(0.0, np.geomspace(0.1, 3.0, 6))  # of q
_SIDE = 14  # points of the grid along ln c, and along ln r
_PASSES = 3  # grids, each inside the part of the last that matters
_MATTERS = np.log(1e-6)  # of a law's best weight against the best of all
# variances an e-fold: of the slope's walk in noise variances, and of the level's in the slope's
_SLOPE_WALKS = np.geomspace(1e-2, 1e4, 7)
_LEVEL_WALKS = np.geomspace(1e-2, 1.0, 3)
_SLOPE, _LEVEL = (v.ravel() for v in np.meshgrid(_SLOPE_WALKS, _LEVEL_WALKS))  # [walks]
_EXACT = 1e-8  # sum of squared log residuals that rounding and the grid leave on an exact law


@dataclass(frozen=True, eq=False)
class Laws:
    """Shapes c, r, q [laws] on a grid that is even in ln c and ln r."""

    c: Array
    r: Array
    q: Array

    @classmethod
    def grid(cls, c: tuple[float, float], r: tuple[float, float]) -> Laws:
        axes = (np.geomspace(*c, _SIDE), np.geomspace(*r, _SIDE), _PLATEAUS)
        return cls(*(axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")))

    @property
    def log_prior(self) -> Array:
        return np.asarray(np.log(self.c) - self.c * (1 - self.r) / 2)

    def shape(self, t: Array) -> Array:
        """ln of loss / loss(x_last) at t [n]: [laws, n]."""
        z = np.exp(-self.c[:, None] * t)
        q, r = self.q[:, None], self.r[:, None]
        return np.asarray(np.log1p(r * ((1 + q) * z / (1 + q * z) - 1)))

    def at(self, index: NDArray[np.intp]) -> Laws:
        return Laws(self.c[index], self.r[index], self.q[index])

    def inside(self, matters: NDArray[np.bool_]) -> Laws:
        """A grid of the same size over the part that matters [laws], and one step around it."""
        return Laws.grid(_box(self.c, matters, _EXPONENT), _box(self.r, matters, _REDUCIBLE))


def _box(
    values: Array, matters: NDArray[np.bool_], limits: tuple[float, float]
) -> tuple[float, float]:
    step = (values.max() / values.min()) ** (1 / (_SIDE - 1))
    low, high = values[matters].min() / step, values[matters].max() * step
    return max(limits[0], float(low)), min(limits[1], float(high))


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """What is believed of a curve beyond its fit: a mixture of Student's t over laws and walks.

    x_last: largest fitted x. laws: the grid. weights [walks, laws] sum to 1; level [walks, laws]
    is ln loss at x_last under each; spread [walks, laws] the noise's standard deviation in
    ln loss; unsure [walks] the level's variance in noise variances. freedom: of Student's t.
    """

    x_last: float
    laws: Laws
    weights: Array
    level: Array
    spread: Array
    unsure: Array
    freedom: int

    def predict(self, x: Array) -> Array:
        """The loss at x [n] >= x_last: the posterior mean of ln loss, back on the loss's scale."""
        shape = self.laws.shape(self._distance(x))
        mean = (self.weights * self.level).sum() + self.weights.sum(axis=0) @ shape
        return np.asarray(np.exp(mean))

    def quantiles(self, x: Array, levels: tuple[float, ...] = (0.05, 0.95)) -> Array:
        """Quantiles of a new observation at x [n] >= x_last: [levels, n]."""
        return np.exp(np.quantile(self._log_draws(x), levels, axis=0))

    def draws(self, x: Array) -> Array:
        """New observations at x [n] >= x_last: [2000, n], each row one law and one deviation.

        They are spread evenly over the posterior, without a random generator: the same input gives
        the same draws.
        """
        return np.exp(self._log_draws(x))

    def _log_draws(self, x: Array) -> Array:
        t = self._distance(x)
        walk, law, deviate = self._sample
        drift = _SLOPE[walk][:, None] * (t**3 / 3 + _LEVEL[walk][:, None] * t)  # its variance
        scale = np.sqrt(self.unsure[walk][:, None] + drift + 1.0)
        centre = self.level[walk, law][:, None] + self.laws.at(law).shape(t)
        return centre + self.spread[walk, law][:, None] * scale * deviate[:, None]

    @cached_property
    def _sample(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Walk, law and deviate of each draw: evenly through the weights, and through Student's t
        in another order (the golden ratio's multiples), so that every law meets all deviates."""
        even = (np.arange(_DRAWS) + 0.5) / _DRAWS
        total = np.cumsum(self.weights)
        at = np.searchsorted(total, even * total[-1])
        walk, law = np.unravel_index(at, self.weights.shape)
        deviate = special.stdtrit(self.freedom, (np.arange(1, _DRAWS + 1) * _GOLDEN) % 1.0)
        return walk, law, deviate

    def _distance(self, x: Array) -> Array:
        t = np.log(np.asarray(x, dtype=float) / self.x_last)
        if (t < -1e-9).any():
            raise InputError(
                f"x = {np.exp(t.min()) * self.x_last:g} lies below the largest fitted x "
                f"({self.x_last:g}): only x from there on are extrapolated"
            )
        return np.maximum(t, 0.0)


def extrapolate(x: Array, loss: Array) -> Extrapolation:
    """Fit a curve of loss [n] at x [n], in any order; x may repeat.

    Raises InputError for fewer than 3 distinct x.
    """
    t, y, count, within = _merged(np.asarray(x, dtype=float), np.asarray(loss, dtype=float))
    if len(t) < LEAST:
        raise InputError(f"{len(t)} distinct x; at least {LEAST} are needed")
    laws = Laws.grid(_EXPONENT, _REDUCIBLE)
    for _ in range(_PASSES - 1):
        log_weight = _posterior(laws, t, y, count, within)[0].max(axis=0)
        laws = laws.inside(log_weight > log_weight.max() + _MATTERS)
    log_weight, level, squares, unsure = _posterior(laws, t, y, count, within)
    weights = np.exp(log_weight - log_weight.max())
    freedom = int(count.sum()) - 1
    return Extrapolation(
        x_last=float(np.max(x)),
        laws=laws,
        weights=weights / weights.sum(),
        level=level,
        spread=np.sqrt(squares / freedom),
        unsure=unsure,
        freedom=freedom,
    )


def _posterior(
    laws: Laws, t: Array, y: Array, count: Array, within: float
) -> tuple[Array, Array, Array, Array]:
    """Log weights, level and sum of squares (whitened) of each walk and law [walks, laws], and
    the level's variance in noise variances [walks].

    One rotation makes drift plus noise independent at every size of the drift.
    """
    root = np.sqrt(count)
    off = root[:, None] * (y[:, None] - laws.shape(t).T)  # [points, laws]
    parts = []
    for level_walk in _LEVEL_WALKS:
        covariance = root[:, None] * _walk(t, level_walk) * root
        variance, rotation = np.linalg.eigh(covariance)
        one, turned = rotation.T @ root, rotation.T @ off
        keep = 1.0 / (1.0 + _SLOPE_WALKS[:, None] * np.maximum(variance, 0.0))
        precision = keep @ one**2  # of the level
        level = (keep * one) @ turned / precision[:, None]
        squares = keep @ turned**2 - precision[:, None] * level**2 + within
        squares = np.maximum(squares, 0.0) + _EXACT
        evidence = 0.5 * (np.log(keep).sum(axis=1) - np.log(precision))
        likelihood = -0.5 * (count.sum() - 1) * np.log(squares)
        log_weight = evidence[:, None] + likelihood + laws.log_prior
        parts.append((log_weight, level, squares, 1.0 / precision))
    log_weight, level, squares, unsure = (np.concatenate(v) for v in zip(*parts, strict=True))
    return log_weight, level, squares, unsure


def _walk(t: Array, level_walk: float) -> Array:
    """Covariance of the drift at t [n] <= 0, for a slope's walk of unit variance an e-fold."""
    near, far = np.minimum.outer(-t, -t), np.maximum.outer(-t, -t)
    return np.asarray(near**2 * (3 * far - near) / 6 + level_walk * near)


def _merged(x: Array, loss: Array) -> tuple[Array, Array, Array, float]:
    """t and mean ln loss of at most some hundred points (equal x, then neighbours, are averaged),
    how many observations each holds, and the squared deviations within them."""
    x, loss = np.unique(np.stack([x, loss]), axis=1)  # a row twice is one measurement, told twice
    t, y = np.log(x / x.max()), np.log(loss)
    _, cell = np.unique(t, return_inverse=True)
    cell = cell // -(-(cell.max() + 1) // _MOST)
    count = np.bincount(cell).astype(float)
    mean = np.bincount(cell, y) / count
    within = float(((y - mean[cell]) ** 2).sum())
    return np.bincount(cell, t) / count, mean, count, within
