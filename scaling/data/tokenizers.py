"""Bytes by default, lossless and compact; or a byte-level BPE trained on the training part.

The compact alphabet keeps the softmax of tiny models small: only bytes that are at least
1e-5 of the training part get a symbol of their own; any other byte is written as an escape
and two symbols for its halves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

RARE = 1e-5
NIBBLES = 16


class Tokenizer(Protocol):
    @property
    def vocab(self) -> int: ...
    def encode(self, text: bytes) -> NDArray[Any]: ...
    def decode(self, tokens: NDArray[Any]) -> bytes: ...
    def to_json(self) -> str: ...


@dataclass(frozen=True)
class ByteTokenizer:
    """`alphabet`: byte values with a symbol of their own; the escape is the last symbol."""

    alphabet: bytes

    @classmethod
    def train(cls, text: bytes) -> ByteTokenizer:
        counts = np.bincount(np.frombuffer(text, np.uint8), minlength=256)
        common = np.flatnonzero(counts >= max(1, RARE * len(text)))
        # The halves of an escaped byte need sixteen symbols to be written with.
        extra = [b for b in range(256) if b not in common][: max(0, NIBBLES - len(common))]
        return cls(bytes(sorted([*common.tolist(), *extra])))

    @property
    def vocab(self) -> int:
        return len(self.alphabet) + 1

    @cached_property
    def _symbol(self) -> NDArray[np.uint16]:
        table = np.full(256, self.vocab - 1, np.uint16)
        table[np.frombuffer(self.alphabet, np.uint8)] = np.arange(len(self.alphabet))
        return table

    def encode(self, text: bytes) -> NDArray[np.uint16]:
        raw = np.frombuffer(text, np.uint8)
        symbols = self._symbol[raw]
        rare = symbols == self.vocab - 1
        lengths = np.where(rare, 3, 1)
        out = np.repeat(symbols, lengths)
        at = (np.cumsum(lengths) - lengths)[rare]
        out[at + 1], out[at + 2] = raw[rare] >> 4, raw[rare] & 15
        return out

    def decode(self, tokens: NDArray[Any]) -> bytes:
        tokens = np.asarray(tokens, np.int64)
        letters = np.frombuffer(self.alphabet + b"\0", np.uint8)
        out = letters[tokens].copy()
        at = np.flatnonzero(tokens == self.vocab - 1)
        out[at] = tokens[at + 1] << 4 | tokens[at + 2]
        keep = np.ones(len(tokens), bool)
        keep[at + 1] = keep[at + 2] = False
        return out[keep].tobytes()

    def to_json(self) -> str:
        return json.dumps({"bytes": self.alphabet.hex()})


class BPETokenizer:
    """Byte-level BPE of a given vocabulary size (the `tokenizers` library)."""

    def __init__(self, definition: str) -> None:
        self._model = _tokenizers().Tokenizer.from_str(definition)

    @classmethod
    def train(cls, text: bytes, vocab: int) -> BPETokenizer:
        library = _tokenizers()
        model = library.Tokenizer(library.models.BPE())
        model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocab,
            show_progress=False,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        )
        model.train_from_iterator([text.decode("utf-8", "replace")], trainer)
        return cls(model.to_str())

    @property
    def vocab(self) -> int:
        return int(self._model.get_vocab_size())

    def encode(self, text: bytes) -> NDArray[np.uint16]:
        return np.asarray(self._model.encode(text.decode("utf-8", "replace")).ids, np.uint16)

    def decode(self, tokens: NDArray[Any]) -> bytes:
        return str(self._model.decode(np.asarray(tokens).tolist())).encode()

    def to_json(self) -> str:
        return str(self._model.to_str())


def train(name: str, text: bytes) -> Tokenizer:
    """The tokenizer called `bytes` or `bpe:SIZE`, trained on the training part only."""
    if name == "bytes":
        return ByteTokenizer.train(text)
    kind, _, size = name.partition(":")
    if kind != "bpe" or not size.isdigit() or not 257 <= int(size) <= 65_535:
        raise InputError(
            f"tokenizer {name!r}; valid: 'bytes', or 'bpe:SIZE' with a size of 257 to 65535"
        )
    return BPETokenizer.train(text, int(size))


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "a BPE tokenizer needs tokenizers: pip install 'scaling-laws[train]'"
        ) from None
    return tokenizers
