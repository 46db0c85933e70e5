"""Bytes by default, lossless and compact; or a byte-level BPE trained on the training part.

The compact alphabet keeps the softmax of tiny models small: only bytes that are at least
1e-5 of the training part get a symbol of their own; any other byte is written as an escape
and two symbols for its halves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

RARE = 1e-5
NIBBLES = 16


class Tokenizer(Protocol):
    """Bytes to tokens in 0 ... `vocab` - 1 and back, without loss."""

    @property
    def vocab(self) -> int: ...
    def encode(self, text: bytes) -> NDArray[np.uint16]: ...
    def decode(self, tokens: NDArray[Any]) -> bytes: ...
    def to_json(self) -> str: ...


@dataclass(frozen=True)
class ByteTokenizer:
    """`alphabet`: byte values with a symbol of their own; the escape is the last symbol."""

    alphabet: bytes

    @classmethod
    def train(cls, documents: Sequence[bytes]) -> ByteTokenizer:
        """The alphabet of the bytes that are not rare in the documents."""
        text = np.frombuffer(b"".join(documents), np.uint8)
        counts = np.bincount(text, minlength=256)
        # The halves of an escaped byte need sixteen symbols to be written with: where the text
        # has fewer, the most frequent and then the smallest of the others fill up.
        ranked = np.argsort(-counts, kind="stable")
        common = int((counts >= max(1.0, RARE * len(text))).sum())
        return cls(bytes(sorted(ranked[: max(common, NIBBLES)].tolist())))

    @property
    def vocab(self) -> int:
        return len(self.alphabet) + 1

    @cached_property
    def _symbols(self) -> NDArray[np.uint16]:
        table = np.full(256, self.vocab - 1, np.uint16)
        table[np.frombuffer(self.alphabet, np.uint8)] = np.arange(len(self.alphabet))
        return table

    def encode(self, text: bytes) -> NDArray[np.uint16]:
        raw = np.frombuffer(text, np.uint8)
        tokens = self._symbols[raw]
        rare = np.flatnonzero(tokens == self.vocab - 1)
        halves = np.stack([raw[rare] >> 4, raw[rare] & 15], axis=1).ravel()
        return np.insert(tokens, np.repeat(rare + 1, 2), halves)

    def decode(self, tokens: NDArray[Any]) -> bytes:
        """Raises InputError for tokens that `encode` does not write (a cut escape, say)."""
        tokens = np.asarray(tokens, np.int64)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.vocab:
            raise InputError(f"tokens are not all within 0 ... {self.vocab - 1}")
        escapes = np.flatnonzero(tokens == self.vocab - 1)
        halves = escapes[:, None] + np.array([1, 2])
        if escapes.size and (halves.max() >= tokens.size or (tokens[halves] >= NIBBLES).any()):
            raise InputError("an escape is not followed by the two halves of a byte")
        out = np.frombuffer(self.alphabet + b"\0", np.uint8)[tokens]
        out[escapes] = tokens[halves] @ [16, 1]
        return np.delete(out, halves.ravel()).tobytes()

    def to_json(self) -> str:
        return json.dumps({"bytes": self.alphabet.hex()})


class BPETokenizer:
    """Byte-level BPE of a given vocabulary size (the `tokenizers` library)."""

    def __init__(self, definition: str) -> None:
        self._model = _library().Tokenizer.from_str(definition)

    @classmethod
    def train(cls, documents: Sequence[bytes], vocab: int, *, exactly: bool = True) -> BPETokenizer:
        """Raises InputError where the text is too short for that many symbols.

        exactly: else as many as the text gives will do.
        """
        library = _library()
        model = library.Tokenizer(library.models.BPE())
        model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocab,
            show_progress=False,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        )
        model.train_from_iterator((text.decode("utf-8") for text in documents), trainer)
        if (reached := model.get_vocab_size()) != vocab and exactly:
            raise InputError(
                f"tokenizer 'bpe:{vocab}': the training text gives {reached:,} symbols only; "
                "ask for fewer or give more text"
            )
        return cls(model.to_str())

    @property
    def vocab(self) -> int:
        return int(self._model.get_vocab_size())

    def encode(self, text: bytes) -> NDArray[np.uint16]:
        return np.asarray(self._model.encode(text.decode("utf-8")).ids, np.uint16)

    def decode(self, tokens: NDArray[Any]) -> bytes:
        return str(self._model.decode(np.asarray(tokens).tolist())).encode()

    def to_json(self) -> str:
        return str(self._model.to_str())


def check(name: str) -> int | None:
    """The size of a BPE called `bpe:SIZE`, None for `bytes`; InputError for any other name."""
    if name == "bytes":
        return None
    kind, _, size = name.partition(":")
    if kind == "bpe" and size.isdecimal() and 257 <= int(size) <= 65_536:
        return int(size)
    raise InputError(
        f"tokenizer {name!r}; valid: 'bytes', or 'bpe:SIZE' with a size of 257 to 65536"
    )


def train(name: str, documents: Sequence[bytes]) -> Tokenizer:
    """The tokenizer called `bytes` or `bpe:SIZE`, trained on these documents only."""
    size = check(name)
    return BPETokenizer.train(documents, size) if size else ByteTokenizer.train(documents)


def from_json(definition: str) -> Tokenizer:
    """The tokenizer that `to_json` wrote."""
    alphabet = json.loads(definition).get("bytes")
    return BPETokenizer(definition) if alphabet is None else ByteTokenizer(bytes.fromhex(alphabet))


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "a BPE tokenizer needs tokenizers: pip install 'scaling-laws[train]'"
        ) from None
    return tokenizers
