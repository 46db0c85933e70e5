"""Which image each place of each epoch reads: a pure function of seed and position."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Folded into the seed, so that order and augmentation are independent of each other and of a
# run's other randomness.
ORDER = 0x696D61676573
AUGMENT = 0x617567


def read_at(positions: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """The images that stand at these positions of an endless run over n images, [m].

    Each epoch is a permutation of its own: every image once.
    """
    epochs, places = np.divmod(positions, n)
    images = np.empty_like(places)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        images[here] = _permutation(n, seed, int(epoch))[places[here]]
    return images


def numbers_at(position: int, seed: int, count: int) -> NDArray[np.uint64]:
    """Raw random numbers of one position, [count]: an image is augmented anew each epoch."""
    return np.random.Philox(np.random.SeedSequence([seed, AUGMENT, position])).random_raw(count)


@lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    # As for windows of text: NumPy promises raw bits and a stable sort to stay the same.
    bits = np.random.Philox(np.random.SeedSequence([seed, ORDER, epoch]))
    order = np.argsort(bits.random_raw(n), kind="stable")
    order.flags.writeable = False
    return order
