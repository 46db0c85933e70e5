"""Mean and standard deviation of each channel of images too many to read: from a fair sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scaling.data import cache as store
from scaling.data.decode import UnreadableImageError, centre_pixels
from scaling.data.image_stream import Encoded
from scaling.errors import InputError

# The first images of the training part are a fair sample of it. A channel's standard deviation is
# about a quarter of its range and half of that lies between images: 256 of them give the mean to
# within a hundredth of the range, which normalising does not notice.
SAMPLE = 256

Moments = tuple[tuple[float, ...], tuple[float, ...]]


def moments(train: Encoded, side: int, entry: Path) -> Moments:
    """Shares of 255, of the middle of the first images; kept in the cache as `entry`."""
    found = store.read(entry)
    if found is None:
        mean, std = _measured(train, side)
        store.write(entry, {}, {"mean": mean, "std": std})
        return mean, std
    return tuple(found[1]["mean"]), tuple(found[1]["std"])


def _measured(train: Encoded, side: int) -> Moments:
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for n in range(min(SAMPLE, len(train))):
        try:
            shares = centre_pixels(train.read(n), side) / 255.0
        except UnreadableImageError:
            continue
        sums += shares.mean((0, 1))
        squares += (shares**2).mean((0, 1))
        count += 1
    if not count:
        raise InputError(f"{train.name(0)}: neither it nor those after it can be decoded")
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return tuple(mean.tolist()), tuple(std.tolist())
