"""Which documents repeat or nearly repeat one another: Jaccard similarity of word 5-grams.

MinHash with banding (rensa) proposes pairs and exact sets decide, so a cluster never rests on an
estimate. Banding may miss a pair; `leaks` compares two sides exactly and misses none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

SIMILAR = 0.5
SHINGLE_WORDS = 5
# 42 bands of 3: a pair at Jaccard 0.5 meets in some band with probability 0.996, one at 0.05
# with 0.005.
BANDS, ROWS = 42, 3

# A character of a script that writes no spaces is a word of its own.
WORD = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+")
# Odd, so that multiplying by it loses nothing modulo 2^64.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


def shingles(text: bytes) -> Hashes:
    """Hashes of the text's word 5-grams, sorted and distinct; a shorter text is one shingle."""
    words = WORD.findall(text.decode("utf-8").lower())
    if not words:  # nothing but punctuation: equal only to itself
        return np.array([_word(text.strip().decode("utf-8"))], np.uint64)
    ids = np.fromiter(map(_word, words), np.uint64, len(words))
    span = min(SHINGLE_WORDS, len(ids))
    hashes = np.zeros(len(ids) - span + 1, np.uint64)
    for place in range(span):
        hashes = (hashes + ids[place : len(ids) - span + 1 + place]) * MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes)


def clusters(sets: Sequence[Hashes]) -> list[int]:
    """For each document the number of its cluster: that of the first document in it."""
    parent = list(range(len(sets)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for bucket in _buckets(_sketches(sets)):
        # One document stands for each cluster in the bucket, so a thousand copies of a licence
        # cost a thousand comparisons and not a million.
        seen: list[int] = []
        for n in bucket:
            if root(n) in map(root, seen):
                continue
            for other in seen:
                if root(n) != root(other) and jaccard(sets[n], sets[other]) >= SIMILAR:
                    low, high = sorted((root(n), root(other)))
                    parent[high] = low
            seen.append(n)
    return [root(n) for n in range(len(sets))]


def leaks(held_out: Sequence[Hashes], train: Sequence[Hashes]) -> NDArray[np.float64]:
    """For each held-out document its largest Jaccard similarity to a training document, exact."""
    closest = np.zeros(len(held_out))
    if not held_out:
        return closest
    sizes = np.array([len(s) for s in held_out])
    owner = np.repeat(np.arange(len(held_out)), sizes)
    flat = np.concatenate(held_out)
    order = np.argsort(flat, kind="stable")
    flat, owner = flat[order], owner[order]
    for other in train:
        # Every place where a held-out document holds a shingle of this training document.
        first = np.searchsorted(flat, other, "left")
        count = np.searchsorted(flat, other, "right") - first
        if not (shared := int(count.sum())):
            continue
        places = np.repeat(first - np.cumsum(count) + count, count) + np.arange(shared)
        common = np.bincount(owner[places], minlength=len(held_out))
        np.maximum(closest, common / (sizes + len(other) - common), out=closest)
    return closest


def jaccard(a: Hashes, b: Hashes) -> float:
    """Size of the intersection over size of the union of two shingle sets."""
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


def _sketches(sets: Sequence[Hashes]) -> NDArray[np.uint32]:
    try:
        from rensa import RMinHash
    except ImportError:
        raise InputError(
            "the near-duplicate check needs rensa: pip install 'scaling-laws[train]'"
        ) from None
    ends = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(sets), ends, num_perm=BANDS * ROWS, seed=0
    )
    return np.array(matrix.to_rows(), np.uint32)


def _buckets(sketches: NDArray[np.uint32]) -> Iterator[list[int]]:
    """Groups of two or more documents that agree in all rows of a band."""
    for band in range(BANDS):
        rows = np.ascontiguousarray(sketches[:, band * ROWS : (band + 1) * ROWS])
        keys = rows.view(f"V{rows.itemsize * ROWS}").ravel()
        _, group = np.unique(keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            if len(members) > 1:
                yield members.tolist()


@cache
def _word(word: str) -> int:
    # Not `hash`: that differs between processes, and the split must not.
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
