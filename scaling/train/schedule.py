"""Warmup, stable trunk, cooldown (WSD): learning rates by step, computed on the host.

A trunk has no end: its rate doesn't depend on how long a run will be, so that one trunk serves
every token budget; a budget is reached by leaving the trunk and cooling down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRUNK_DECAY_STEPS = 1000
TRUNK_DECAY_POWER = 0.2


def rates(
    first: int, count: int, *, peak: float, warmup: int, cool_from: int | None, cool_steps: int
) -> NDArray[np.float32]:
    """Rates of steps `first` ... `first + count - 1` (float32 `[count]`).

    The trunk decays slowly, (1 + t/1000)^-0.2, after a linear warmup. From step `cool_from` on
    (None: never) the rate falls as 1 - sqrt(progress) to zero within `cool_steps`.
    """
    t = np.arange(first, first + count, dtype=np.float64)
    rate = peak * np.minimum(1.0, (t + 1) / max(1, warmup))
    rate *= (1 + t / TRUNK_DECAY_STEPS) ** -TRUNK_DECAY_POWER
    if cool_from is not None:
        progress = np.clip((t - cool_from + 1) / (cool_steps + 1), 0.0, 1.0)
        rate *= 1 - np.sqrt(progress)
    return rate.astype(np.float32)
