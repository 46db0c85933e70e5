"""Error rates of classifiers and of retrieval, from what an evaluation measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of the calibration error, as in Guo et al. 2017 (arXiv:1706.04599)
_BLOCK = 1024

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


def top_k_error(rank: Ints, k: int, classes: int) -> float:
    """Share of examples whose label is not among the `k` likeliest classes.

    rank [n]: classes that are at least as likely as the label, itself left out. `k` is at most
    the number of classes.
    """
    return float((rank >= min(k, classes)).mean())


def calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: |accuracy - confidence| over 15 bins of confidence, weighted.

    confidence [n]: the probability of the predicted class. Guo et al. 2017, eq. 3.
    """
    where = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(where, correct - confidence.astype(float), BINS)
    return float(np.abs(gap).sum() / len(confidence))


def recall_at_k(
    images: Floats, texts: Floats, image_group: Ints, text_group: Ints, k: int
) -> float:
    """Share of images one of whose `k` nearest texts is of the image's group.

    images [n, e], texts [m, e]: unit vectors, by rows; groups [n], [m]. `k` is at most m.
    """
    k = min(k, len(texts))
    hits = 0
    for start in range(0, len(images), _BLOCK):
        rows = slice(start, start + _BLOCK)
        nearest = np.argpartition(-(images[rows] @ texts.T), k - 1, axis=1)[:, :k]
        hits += int((text_group[nearest] == image_group[rows, None]).any(1).sum())
    return hits / len(images)
