"""What a token costs under a law of more variables than N and D, as the law's paper counts it.

Most of them change nothing: repeated data cost what fresh ones do. Where they do, the curve is of
kind `stated`: neither 6ND nor counted from models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scaling.cost import Cost
from scaling.laws.law import Law

FULL_BITS = 16.0
_EXPANSION = 64.0  # experts for each that is active, in Krajewski's runs
_PER_PARAM, _PER_ROUTE = 6.0, 14.0  # their c_f and c_r
_ASPECT = 64.0  # d_model over blocks
_KNOTS = np.geomspace(1e3, 1e18, 151)  # N: steps of 26 %, on a curve that is nearly straight


@dataclass(frozen=True)
class Count:
    """FLOPs per token at the values held, and how they are counted; words are empty where the
    further variables change nothing."""

    cost: Cost
    words: str = ""


def count(law: Law, base: Cost, held: Mapping[str, float]) -> Count:
    """What a token costs where the further variables of `law` are held at these values."""
    for name, way in _WAYS.items():
        if name in law.variables:
            return way(held)
    return Count(base)


def _proportional(factor: float, words: str) -> Count:
    return Count(Cost("stated", (0.0,), (float(np.log(6 * factor)),)), words)


def _sparse(held: Mapping[str, float]) -> Count:
    return _proportional(
        1 - held["S"],
        "C = 6 (1 - S) N D: N counts all parameters, and all are taken to be in experts, so that a "
        "token passes (1 - S) N of them",
    )


def _precise(held: Mapping[str, float]) -> Count:
    bits = max(held["P_w"], held["P_a"], held["P_kv"])
    return _proportional(
        bits / FULL_BITS,
        "C = 6 N D P / 16: a product in P bits costs P / 16 of one in 16 (arXiv:2411.04330), P the "
        "widest of the formats",
    )


def _routed(held: Mapping[str, float]) -> Count:
    """Eq. 10 and section 6.1 of Krajewski et al. 2024, c_f and c_r as in their appendix E."""
    width = (_ASPECT * _KNOTS / (8 * _EXPANSION + 4)) ** (1 / 3)
    route = width * _EXPANSION * held["G"] * _PER_ROUTE
    per_token = (12 * width**2 * _PER_PARAM + route) * width / _ASPECT
    cost = Cost("stated", tuple(np.log(_KNOTS).tolist()), tuple(np.log(per_token).tolist()))
    return Count(
        cost,
        "C = (72 d^2 + 14 d 64 G) D d / 64, N = (8 64 + 4) d^3 / 64: 64 times as many experts as "
        "are active, routing included, no embeddings (arXiv:2402.07871, eq. 10)",
    )


_WAYS: Mapping[str, Callable[[Mapping[str, float]], Count]] = {
    "S": _sparse,
    "P_w": _precise,
    "G": _routed,
}
