"""Splits documents into train and held-out parts with no overlap, exact or near.

Only documents without any near duplicate are held out, so that neither a memorised passage nor a
family of look-alikes (code tables, say) makes the held-out loss; the result is checked pair by
pair. Which ones follows from a salted hash of the contents: it depends neither on the machine nor
on names or the order of files. Both parts lie in the order of that hash, so the first n training
tokens are a fair sample of the whole, whatever n is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scaling.data.near_duplicates import SIMILAR, clusters, leaks, shingles
from scaling.errors import InputError

# How far the held-out bytes may lie from what was asked, as a share of it.
TOLERANCE = 0.2
# The number of sections that text is cut into where whole documents cannot be split as asked.
SECTIONS = 400


@dataclass(frozen=True)
class Split:
    """Both parts' documents, and counts of what was found on the way."""

    train: list[bytes]
    held_out: list[bytes]
    documents: int
    sections: int  # 0: whole documents were split; else the sections that they were cut into
    exact_duplicates: int  # repeats of another document, case and white space aside
    near_duplicates: int  # documents with a near duplicate, exact ones included
    near_duplicate_clusters: int
    closest: float  # largest similarity of a held-out to a training document, below SIMILAR


def split(texts: list[bytes], held_out: float) -> Split:
    """Split by document; `held_out` is a share of the bytes, met within `TOLERANCE`.

    Where whole documents cannot give that share (one large file, say), all are cut into sections
    at blank lines and these are split. Raises InputError for a share outside (0, 0.5] and where
    sections cannot give it either.
    """
    if not 0 < held_out <= 0.5:
        raise InputError(f"held_out = {held_out}; valid is a share above 0 and up to 0.5")
    if whole := _split(texts, held_out):
        return whole
    limit = max(1, sum(map(len, texts)) // SECTIONS)
    sections = [section for text in texts for section in _sections(text, limit)]
    if cut := _split(sections, held_out):
        return replace(cut, documents=len(texts), sections=len(sections))
    raise InputError(
        f"data: no {held_out:.0%} of the {len(texts)} documents can be held out: too few of them "
        f"are without a near duplicate (similarity {SIMILAR} of word 5-grams); give other text"
    )


def _split(texts: list[bytes], held_out: float) -> Split | None:
    texts = sorted(texts, key=_salted)
    sets = [shingles(text) for text in texts]
    cluster = clusters(sets)
    members = Counter(cluster)
    alone = [members[c] == 1 for c in cluster]
    closest = [1.0]
    while max(closest) >= SIMILAR:
        chosen = _choose([len(text) for text in texts], alone, held_out)
        if not chosen:
            return None
        held, kept = sorted(chosen), sorted(set(range(len(texts))) - chosen)
        closest = leaks([sets[n] for n in held], [sets[n] for n in kept]).tolist()
        # A near duplicate that the clusters missed: train on it, and choose again.
        for n, similarity in zip(held, closest, strict=True):
            alone[n] = similarity < SIMILAR
    distinct = {tuple(text.lower().split()) for text in texts}
    return Split(
        train=[texts[n] for n in kept],
        held_out=[texts[n] for n in held],
        documents=len(texts),
        sections=0,
        exact_duplicates=len(texts) - len(distinct),
        near_duplicates=alone.count(False),
        near_duplicate_clusters=sum(count > 1 for count in members.values()),
        closest=round(max(closest), 4),
    )


def _choose(sizes: list[int], alone: list[bool], held_out: float) -> set[int]:
    """Numbers of the documents to hold out; empty where the share cannot be met."""
    wanted = held_out * sum(sizes)
    # At first nothing larger than a quarter of the part, so that no document speaks for it.
    for largest in (wanted / 4, wanted):
        chosen, size = set(), 0
        for n in (n for n, single in enumerate(alone) if single and sizes[n] <= largest):
            # A document that would overshoot by more than it helps stays in the training part.
            if abs(size + sizes[n] - wanted) <= abs(size - wanted):
                chosen.add(n)
                size += sizes[n]
        if chosen and abs(size - wanted) <= TOLERANCE * wanted:
            return chosen
    return set()


def _sections(text: bytes, limit: int) -> Iterator[bytes]:
    """Pieces of at most `limit` bytes, cut after a blank line, else a line, else a word."""
    while len(text) > limit:
        cuts = (text.rfind(mark, 0, limit) + len(mark) for mark in (b"\n\n", b"\n", b" "))
        end = next((cut for cut in cuts if cut > limit // 2), limit)
        # Never inside a character: its second byte and those after it are 0b10xxxxxx.
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end += 1
        yield text[:end]
        text = text[end:]
    if text:
        yield text


def _salted(text: bytes) -> bytes:
    return hashlib.sha256(b"held-out:" + text).digest()
