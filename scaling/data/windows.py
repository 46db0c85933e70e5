"""Which windows of the text each step reads, and which ones measure the held-out loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

# Folded into the seed, so that the order of windows is independent of a run's other randomness.
PURPOSE = 0x77696E646F77


@dataclass(frozen=True)
class EpochOrder:
    """Epochs of `n` items without replacement, each a fresh permutation; `batch` make a step.

    A pure function of seed and step, as `WindowOrder` is. Raises InputError where the items are
    too few for one batch of different ones.
    """

    n: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.n < self.batch:
            raise InputError(f"{self.n:,} items are too few for a batch of {self.batch}")

    def picks(self, step: int, n_steps: int) -> NDArray[np.int32]:
        """The items of steps `step` ... `step + n_steps - 1`, [n_steps, batch]."""
        return _span(self.n, 1, self.seed, self.batch, step, n_steps)


@dataclass(frozen=True)
class WindowOrder:
    """Epochs without replacement: each is a fresh permutation of windows at a random phase.

    A window reads `context` + 1 tokens (the last one is only predicted); `batch` windows make a
    step. A pure function of seed and step: any range of steps can be computed again after a
    resume. A batch may span the border of two epochs.

    Raises InputError where the text is too short for one batch of different windows.
    """

    n_tokens: int
    context: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        needed = (self.batch + 1) * self.context
        if self.n_tokens < needed:
            raise InputError(
                f"{self.n_tokens:,} training tokens are too few for a batch of {self.batch} "
                f"windows of {self.context} tokens; {needed:,} are needed"
            )
        _check_size(self.n_tokens)

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch: as many as fit at every phase."""
        return self.n_tokens // self.context - 1

    def starts(self, step: int, n_steps: int) -> NDArray[np.int32]:
        """Offsets of the windows of steps `step` ... `step + n_steps - 1`, [n_steps, batch]."""
        return _span(self.per_epoch, self.context, self.seed, self.batch, step, n_steps)


def _span(
    per_epoch: int, context: int, seed: int, batch: int, step: int, n_steps: int
) -> NDArray[np.int32]:
    """Starts of the windows of some steps, from as many epochs as they reach into."""
    begin, end = step * batch, (step + n_steps) * batch
    pieces = [np.empty(0, np.int32)]
    while begin < end:
        epoch, place = divmod(begin, per_epoch)
        order = _epoch(per_epoch, context, seed, epoch)
        pieces.append(order[place : place + end - begin])
        begin += len(pieces[-1])
    return np.concatenate(pieces).reshape(n_steps, batch)


@lru_cache(maxsize=4)
def _epoch(windows: int, context: int, seed: int, epoch: int) -> NDArray[np.int32]:
    """Starts of one epoch's windows in their order, [windows]."""
    # Raw bits and a stable sort: NumPy promises both to stay the same between its versions, which
    # it does not of `Generator.permutation`.
    bits = np.random.Philox(np.random.SeedSequence([seed, PURPOSE, epoch]))
    phase = int(bits.random_raw()) % context
    permutation = np.argsort(bits.random_raw(windows), kind="stable")
    starts = (permutation * context + phase).astype(np.int32)
    starts.flags.writeable = False
    return starts


def held_out_windows(n_tokens: int, context: int, limit: int | None = None) -> NDArray[np.int32]:
    """Starts of the non-overlapping windows that cover the held-out part, [m].

    With `limit`, at most that many, spread evenly. Raises InputError where not one fits.
    """
    if n_tokens <= context:
        raise InputError(
            f"{n_tokens:,} held-out tokens are too few for a window of {context} tokens; "
            f"{context + 1:,} are needed"
        )
    _check_size(n_tokens)
    m = (n_tokens - 1) // context
    count = m if limit is None else min(m, limit)
    return (np.arange(count) * m // count * context).astype(np.int32)


def _check_size(n_tokens: int) -> None:
    # Offsets are int32 on the device.
    if n_tokens > np.iinfo(np.int32).max:
        raise InputError(f"{n_tokens:,} tokens in one part; at most 2,147,483,647 can be addressed")
