"""Along a budget and along the frontier: the flat region, and budgets from tokens or sizes.

All of it is of the point estimate, so that no draws are made; many budgets are one search.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputError
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

FLAT = 0.005  # losses within .5 % of the best are as good for any practical purpose
_HALVINGS = 60
_WIDEST = np.log(1e6)  # how far from the optimum the flat region is looked for
COMPUTE = (1e3, 1e40)  # FLOPs between which budgets lie


def without_draws(predictor: Predictor) -> Predictor:
    """One with the same points and, where it can do without, no draws: for searches."""
    bare: Predictor = getattr(predictor, "bare", predictor)
    return bare


def flat_region(predictor: Predictor, C: float, flat: float = FLAT) -> tuple[float, float]:
    """Smallest and largest N whose loss at C FLOPs is within `flat` of the optimum's.

    By the point estimate. An end that lies more than 10^6-fold away is cut there.
    """
    low, high = flat_regions(predictor, C, flat)
    return float(low), float(high)


def flat_regions(predictor: Predictor, C: ArrayLike, flat: float = FLAT) -> tuple[Array, Array]:
    """`flat_region` for each C [...]: the smallest N [...] and the largest."""
    bare = without_draws(predictor)
    C = np.asarray(C, dtype=float)
    best = bare.optimum(C)
    side = np.array([-1.0, 1.0]).reshape(2, *(1,) * C.ndim)
    limit = best.loss.point * (1 + flat)

    def size(x: Array) -> Array:
        return np.asarray(np.exp(np.log(best.N.point) + side * x))

    def above(x: Array) -> NDArray[np.bool_]:
        N = size(x)
        return np.asarray(bare.loss(N, bare.cost.tokens(C, N)).point > limit)

    low, high = size(_bisect(above, np.zeros((2, *C.shape)), np.full((2, *C.shape), _WIDEST)))
    return low, high


def compute_for_tokens(predictor: Predictor, tokens: float) -> float:
    """The budget at which `tokens` is the compute-optimal D."""
    bare = without_draws(predictor)
    return _compute_for(lambda C: bare.optimum(C).D.point > tokens, "tokens", tokens)


def compute_for_params(predictor: Predictor, params: float) -> float:
    """The budget at which `params` is the compute-optimal N."""
    bare = without_draws(predictor)
    return _compute_for(lambda C: bare.optimum(C).N.point > params, "params", params)


def _compute_for(above: Callable[[Array], NDArray[np.bool_]], name: str, value: float) -> float:
    low, high = np.log(COMPUTE)
    if above(np.exp(low)) or not above(np.exp(high)):
        raise InputError(
            f"{name} = {value:g} is optimal at no budget from {COMPUTE[0]:g} to "
            f"{COMPUTE[1]:g} FLOPs"
        )
    return float(np.exp(_bisect(lambda x: above(np.exp(x)), low, high)))


def _bisect(above: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array) -> Array:
    """Where `above` turns true between low and high [...]; high where it never does."""
    never = ~above(high)
    end = high
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        turned = above(middle)
        low, high = np.where(turned, low, middle), np.where(turned, middle, high)
    return np.where(never, end, 0.5 * (low + high))
