"""Which window of the text each step reads: a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError


@dataclass(frozen=True)
class WindowOrder:
    """Epochs without replacement: each is a fresh permutation of windows at a random phase.

    A window reads `context` + 1 tokens; `batch` windows make a step.
    """

    n_tokens: int
    context: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.per_epoch < 1:
            raise InputError(
                f"{self.n_tokens:,} tokens are too few for one window of {self.context} tokens; "
                f"{2 * self.context + 1:,} are needed"
            )

    @property
    def per_epoch(self) -> int:
        # One window less than fits: room for the phase.
        return (self.n_tokens - 1) // self.context - 1

    def starts(self, step: int, n_steps: int) -> NDArray[np.int32]:
        """Offsets of the windows of steps `step` ... `step + n_steps - 1`, [n_steps, batch]."""
        index = np.arange(step * self.batch, (step + n_steps) * self.batch)
        epoch, place = np.divmod(index, self.per_epoch)
        out = np.empty(len(index), np.int32)
        for e in np.unique(epoch):
            now = epoch == e
            out[now] = _epoch(self.per_epoch, self.context, self.seed, int(e))[place[now]]
        return out.reshape(n_steps, self.batch)


@lru_cache(maxsize=4)
def _epoch(windows: int, context: int, seed: int, epoch: int) -> NDArray[np.int32]:
    rng = np.random.default_rng([seed, epoch])
    phase = rng.integers(context)
    return (rng.permutation(windows) * context + phase).astype(np.int32)


def held_out_windows(n_tokens: int, context: int) -> NDArray[np.int32]:
    """Starts of the non-overlapping windows that cover the held-out part."""
    return np.arange(0, n_tokens - context, context, dtype=np.int32)
