"""Splits documents into train and held-out parts with no overlap, exact or near.

Near duplicates (estimated Jaccard similarity of word 5-grams >= 0.5, MinHash) form clusters.
Only documents without any near duplicate are held out, so that neither a memorised passage nor a
family of look-alikes (code tables, say) makes the held-out loss. Which ones follows from a salted
hash of the contents: it depends neither on the machine nor on the order of files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scaling.errors import InputError

PERMUTATIONS = 128
BANDS = 32
SHINGLE_WORDS = 5
SIMILAR = 0.5


@dataclass(frozen=True)
class Split:
    train: list[str]
    held_out: list[str]
    duplicates: int  # documents that repeat or nearly repeat another one


def split(texts: dict[str, bytes], held_out: float) -> Split:
    """Names of the training and the held-out documents; `held_out` is a share of the bytes."""
    clusters = _clusters(texts)
    single = sorted(
        (names[0] for names in clusters if len(names) == 1), key=lambda n: _salted(texts[n])
    )
    if not single or len(texts) < 2:
        raise InputError(
            f"data: none of the {len(texts)} documents can be held out: at least two are needed, "
            "and one of them without a near duplicate"
        )
    wanted = held_out * sum(map(len, texts.values()))
    chosen: set[str] = set()
    size = 0
    for name in single:
        weight = len(texts[name])
        # A document that would overshoot by more than it helps is left in the training part.
        if abs(size + weight - wanted) <= abs(size - wanted):
            chosen.add(name)
            size += weight
    chosen = chosen or {min(single, key=lambda n: len(texts[n]))}
    if len(chosen) == len(texts):
        chosen.remove(max(chosen, key=lambda n: len(texts[n])))
    return Split(
        train=[n for n in texts if n not in chosen],
        held_out=[n for n in texts if n in chosen],
        duplicates=len(texts) - len(clusters),
    )


def _clusters(texts: dict[str, bytes]) -> list[list[str]]:
    """Groups of documents that are exact or near duplicates of one another."""
    try:
        from rensa import RMinHash
    except ImportError:
        raise InputError(
            "the near-duplicate check needs rensa: pip install 'scaling-laws[train]'"
        ) from None
    parent = {name: name for name in texts}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    sketches, bands = {}, {}
    for name, text in texts.items():
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=0)
        sketch.update(_shingles(text))
        sketches[name] = sketch
        digest = sketch.digest()
        rows = PERMUTATIONS // BANDS
        for band in range(BANDS):
            key = (band, *digest[band * rows : (band + 1) * rows])
            other = bands.setdefault(key, name)
            # One candidate a band is enough: similar documents meet in some band.
            if root(other) != root(name) and sketch.jaccard(sketches[other]) >= SIMILAR:
                parent[root(name)] = root(other)
    groups: dict[str, list[str]] = {}
    for name in texts:
        groups.setdefault(root(name), []).append(name)
    return list(groups.values())


def _shingles(text: bytes) -> list[str]:
    words = text.decode("utf-8", "replace").split()
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return [" ".join(words[i : i + SHINGLE_WORDS]) for i in range(last)]


def _salted(text: bytes) -> bytes:
    return hashlib.sha256(b"held-out:" + text).digest()
