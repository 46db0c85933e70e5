"""Held-out images and a fair order of the others, from hashes of contents alone.

Neither names nor the order in which images came matter, nor the machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError


def digest(contents: bytes) -> bytes:
    """What stands for an image's contents here."""
    return hashlib.sha256(contents).digest()


def salted(salt: str, digests: Iterable[bytes]) -> NDArray[np.uint64]:
    """A random number for each image that follows from salt and contents, [n]."""
    hashes = (hashlib.sha256(salt.encode() + digest).digest()[:8] for digest in digests)
    return np.frombuffer(b"".join(hashes), "<u8").astype(np.uint64)


def fair_order(labels: NDArray[Any], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """An order whose first n images have each class in its share, whatever n is, [n].

    `keys` decide between images of one class, and between classes whose turn it is.
    """
    by_class = np.lexsort((keys, labels))
    counts = np.bincount(labels)
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[by_class]]
    return np.lexsort((keys, (rank + 0.5) / counts[labels]))


def hold_out(
    labels: NDArray[Any],
    keys: NDArray[np.uint64],
    alone: NDArray[np.bool_],
    share: float,
    classes: Sequence[str],
) -> NDArray[np.bool_]:
    """Which images are held out, [n]: of each class `share`, and one image at least.

    `alone`: whether an image has no exact duplicate; only such are held out. `classes` names what
    `labels` number. Raises InputError for a share outside (0, 0.5] and a class that cannot give
    its part.
    """
    if not 0 < share <= 0.5:
        raise InputError(f"held_out = {share}; valid is a share above 0 and up to 0.5")
    held = np.zeros(len(labels), np.bool_)
    counts = np.bincount(labels, minlength=len(classes))
    candidates = np.flatnonzero(alone)
    candidates = candidates[np.lexsort((keys[candidates], labels[candidates]))]
    bounds = np.searchsorted(labels[candidates], np.arange(len(classes) + 1))
    for n, name in enumerate(classes):
        wanted = max(1, round(share * int(counts[n])))
        mine = candidates[bounds[n] : bounds[n + 1]]
        if counts[n] < 2 or len(mine) < wanted:
            raise InputError(
                f"class {name!r}: {counts[n]:,} images, {len(mine):,} of them without an exact "
                f"duplicate; holding out {share:.0%} needs {wanted:,} of those and one to train on"
            )
        held[mine[:wanted]] = True
    return held
