"""What quantization after training costs a run, and when training longer begins to harm it.

Kumar et al. 2024 (arXiv:2411.04330, finding 1): the damage grows with the tokens seen, so that
beyond some D the quantized model gets worse with every token more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.forecast.further.given import Given
from scaling.forecast.further.inference import spread_of
from scaling.forecast.further.search import bare, least
from scaling.forecast.interval import Interval

Array = NDArray[np.float64]

_ALL_BITS = 64.0  # so many that quantization does nothing
_FAR = np.log(1e4), np.log(1e12)  # how far below and above D the turn is looked for, in ln D


@dataclass(frozen=True)
class Damage:
    """Of a run of N on D quantized to P_post bits. added: nats; turns: the D beyond which more
    tokens harm a model of this N, infinite where none does."""

    P_post: float
    added: Interval
    turns: float

    def __str__(self) -> str:
        harm = (
            f"for this N more tokens than {self.turns:.4g} do harm"
            if np.isfinite(self.turns)
            else "more tokens never do harm"
        )
        return f"quantized to {self.P_post:.3g} bits: {self.added} nats worse; {harm}"


def damage(given: Given, N: float, D: float) -> Damage:
    """What P_post as held costs a run of N on D."""
    whole = replace(given, held={**given.held, "P_post": _ALL_BITS})
    after, before = given.loss(N, D), whole.loss(N, D)
    point = bare(given)

    def loss(ln_d: Array) -> Array:
        return np.asarray(point.loss(N, np.exp(ln_d)).point)

    low, high = np.log(D) - _FAR[0], np.log(D) + _FAR[1]
    turn = least(loss, low, high)
    return Damage(
        given.held["P_post"],
        spread_of(float(after.point - before.point), after.draws - before.draws),
        float(np.exp(turn)) if turn < high else float("inf"),
    )
