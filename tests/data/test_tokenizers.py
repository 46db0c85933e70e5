"""Round trips, alphabets and bad input of both tokenizers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from batteries.sources import prose
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import tokenizers
from scaling.data.tokenizers import ByteTokenizer
from scaling.errors import InputError


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_come_back(trained_on: bytes, text: bytes) -> None:
    tokenizer = ByteTokenizer.train([trained_on])
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert 17 <= tokenizer.vocab <= 257
    assert tokens.max(initial=0) < tokenizer.vocab
    again = tokenizers.from_json(tokenizer.to_json())
    assert again == tokenizer


def test_rare_bytes_have_no_symbol_of_their_own() -> None:
    common = bytes(range(65, 91)) * 10_000
    tokenizer = ByteTokenizer.train([common + b"~"])
    assert tokenizer.alphabet == bytes(range(65, 91))
    assert tokenizer.encode(b"A~").tolist() == [0, 26, 0x7, 0xE]


@pytest.mark.parametrize(
    "tokens", [[26], [26, 1], [26, 16, 1], [27], [-1], [0, 26, 26, 1, 1]], ids=str
)
def test_tokens_that_no_text_gives_are_refused(tokens: list[int]) -> None:
    tokenizer = ByteTokenizer(bytes(range(65, 91)))
    with pytest.raises(InputError):
        tokenizer.decode(np.array(tokens))


def test_bpe_round_trip_and_determinism() -> None:
    documents = [prose(n).encode() for n in range(4)]
    first, second = (tokenizers.train("bpe:300", documents) for _ in range(2))
    assert first.vocab == 300
    assert first.to_json() == second.to_json()
    for text in ("naïve  café\n\t漢字\x00🙂 end", "", documents[0].decode()):
        assert first.decode(first.encode(text.encode())) == text.encode()
    assert tokenizers.from_json(first.to_json()).encode(documents[1]).tolist() == (
        first.encode(documents[1]).tolist()
    )


def test_bpe_that_the_text_cannot_give() -> None:
    with pytest.raises(InputError, match=r"gives \d+ symbols only"):
        tokenizers.train("bpe:5000", [b"ab ab ab"])


@pytest.mark.parametrize("name", ["bpe:256", "bpe:70000", "bpe", "bpe:x", "words", ""])
def test_unknown_tokenizer(name: str) -> None:
    with pytest.raises(InputError, match="valid: 'bytes', or 'bpe:SIZE'"):
        tokenizers.train(name, [b"text"])


def test_bpe_without_the_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"scaling-laws\[train\]"):
        tokenizers.train("bpe:300", [b"text"])
