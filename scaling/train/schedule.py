"""Warmup, stable trunk, cooldown (WSD): learning rates by step, computed on the host; and noise.

A trunk has no end: its rate doesn't depend on how long a run will be, so that one trunk serves
every token budget; a budget is reached by leaving the trunk and cooling down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Folded into the seed, so that noise is independent of the order of the data.
NOISE = 0x6E6F697365
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


def noise(seed: int, first: int, count: int) -> NDArray[np.uint32]:
    """Seeds of the steps' own randomness (augmentation, dropout), [count]."""
    steps = np.arange(first, first + count, dtype=np.uint64)
    key = np.random.SeedSequence([seed, NOISE]).generate_state(1, np.uint64)[0]
    # A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64).
    mixed = key + steps * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    high: NDArray[np.uint32] = (mixed >> np.uint64(32)).astype(np.uint32)
    return high
