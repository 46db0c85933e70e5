"""Along a budget and along the frontier: the flat region, and budgets from tokens or sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

FLAT = 0.005  # losses within .5 % of the best are as good for any practical purpose
_HALVINGS = 60
_WIDEST = np.log(1e6)  # how far from the optimum the flat region is looked for
COMPUTE = (1e3, 1e40)  # FLOPs between which budgets lie


def flat_region(predictor: Predictor, C: float, flat: float = FLAT) -> tuple[float, float]:
    """Smallest and largest N whose loss at C FLOPs is within `flat` of the optimum's.

    By the point estimate. An end that lies more than 10^6-fold away is cut there.
    """
    best = predictor.optimum(C)
    centre = float(np.log(best.N.point))
    limit = float(best.loss.point) * (1 + flat)

    def end(side: float) -> float:
        def above(x: float) -> bool:
            N = np.exp(centre + side * x)
            return float(predictor.loss(N, predictor.cost.tokens(C, N)).point) > limit

        return float(np.exp(centre + side * _bisect(above, 0.0, _WIDEST)))

    return end(-1.0), end(+1.0)


def compute_for_tokens(predictor: Predictor, tokens: float) -> float:
    """The budget at which `tokens` is the compute-optimal D."""
    return _compute_for(lambda C: float(predictor.optimum(C).D.point) > tokens, "tokens", tokens)


def compute_for_params(predictor: Predictor, params: float) -> float:
    """The budget at which `params` is the compute-optimal N."""
    return _compute_for(lambda C: float(predictor.optimum(C).N.point) > params, "params", params)


def _compute_for(above: Callable[[float], bool], name: str, value: float) -> float:
    low, high = np.log(COMPUTE)
    if above(float(np.exp(low))) or not above(float(np.exp(high))):
        raise InputError(
            f"{name} = {value:g} is optimal at no budget from {COMPUTE[0]:g} to "
            f"{COMPUTE[1]:g} FLOPs"
        )
    return float(np.exp(_bisect(lambda x: above(float(np.exp(x))), low, high)))


def _bisect(above: Callable[[float], bool], low: float, high: float) -> float:
    """Where `above` turns true between low and high; high where it never does."""
    if not above(high):
        return high
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if above(middle) else (middle, high)
    return 0.5 * (low + high)
