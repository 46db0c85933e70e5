"""No overlap between the parts, the share asked for, and independence of names and order."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
from batteries.sources import prose

from scaling.data.near_duplicates import SIMILAR, clusters, jaccard, leaks, shingles
from scaling.data.split import split
from scaling.errors import InputError

TEXTS = [prose(n).encode() for n in range(40)]


def edited(text: bytes, share: float, seed: int = 0) -> bytes:
    """The text with that share of its words replaced."""
    rng = random.Random(seed)
    words = text.decode().split()
    return " ".join(
        f"x{rng.getrandbits(40)}" if rng.random() < share else w for w in words
    ).encode()


def by_hand(a: bytes, b: bytes) -> float:
    """Jaccard similarity of word 5-grams from sets of tuples."""
    one, two = ({tuple(w[n : n + 5]) for n in range(len(w) - 4)} for w in (a.split(), b.split()))
    return len(one & two) / len(one | two)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1, 0.5])
def test_similarity_is_exact(share: float) -> None:
    other = edited(TEXTS[0], share)
    expected = by_hand(TEXTS[0], other)
    assert jaccard(shingles(TEXTS[0]), shingles(other)) == pytest.approx(expected)
    sets = [shingles(t) for t in (TEXTS[1], TEXTS[0])]
    assert leaks(sets, [shingles(other)]) == pytest.approx([0, expected])


def test_shingles_do_not_depend_on_case_space_or_punctuation() -> None:
    plain = shingles(b"one two three four five six")
    assert np.array_equal(plain, shingles(b"One, two:\tthree FOUR\n\n(five) six!"))
    assert len(shingles("漢字仮名交文".encode())) == 2  # six characters, two 5-grams
    assert len(shingles(b"two words")) == len(shingles(b"!?")) == 1


def test_clusters_join_chains_and_leave_others_alone() -> None:
    chain = [TEXTS[0]]
    for n in range(3):
        chain.append(edited(chain[-1], 0.04, n))
    texts = [TEXTS[5], *chain, TEXTS[6], TEXTS[5]]
    assert clusters([shingles(t) for t in texts]) == [0, 1, 1, 1, 1, 5, 0]


def test_no_near_duplicate_is_held_out() -> None:
    copies = [edited(text, 0.03) for text in TEXTS[:15]]
    found = split(TEXTS + copies + TEXTS[:3], 0.1)
    assert found.closest < SIMILAR
    assert (found.exact_duplicates, found.near_duplicates) == (3, 33)
    assert found.near_duplicate_clusters == 15
    assert not set(found.held_out) & {*copies, *TEXTS[:15]}
    assert sorted(found.train + found.held_out) == sorted(TEXTS + copies + TEXTS[:3])


def test_a_pair_that_banding_misses_is_found_by_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = [edited(text, 0.03) for text in TEXTS[:15]]
    monkeypatch.setattr("scaling.data.split.clusters", lambda sets: list(range(len(sets))))
    found = split(TEXTS + copies, 0.1)
    assert found.closest < SIMILAR
    assert found.near_duplicates > 0


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_share_is_met_and_neither_order_nor_salted_hash_of_python_matters(share: float) -> None:
    found = split(TEXTS, share)
    held = sum(map(len, found.held_out)) / sum(map(len, TEXTS))
    assert held == pytest.approx(share, rel=0.2)
    assert split(TEXTS[::-1], share) == found


def test_one_large_document_is_cut_between_characters() -> None:
    text = "\n\n".join(prose(n).replace("a", "ä") for n in range(10)).encode()
    found = split([text], 0.1)
    assert found.documents == 1
    assert found.sections == len(found.train) + len(found.held_out) > 100
    pieces = found.train + found.held_out
    assert sum(map(len, pieces)) == len(text)
    for piece in pieces:
        assert piece in text
        piece.decode("utf-8")


def test_what_cannot_be_split_is_an_error() -> None:
    with pytest.raises(InputError, match="without a near duplicate"):
        split([b"la la la la la la " * 500], 0.1)
    for share in (0, -1, 0.6, float("nan")):
        with pytest.raises(InputError, match="valid is a share"):
            split(TEXTS, share)


def test_without_rensa_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(InputError, match=r"scaling-laws\[train\]"):
        split(TEXTS, 0.1)
