"""A corpus: one source, split, tokenised and cached as memory-mapped token files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data import sources, tokenizers
from scaling.data.cache import cache_folder
from scaling.data.split import split
from scaling.errors import InputError

__all__ = ["Corpus", "cache_folder", "load"]

# Part of the cache's key: raise it when the same documents would give other tokens.
CACHE_VERSION = 3
# Every document ends with a newline: it is text, and needs no symbol of its own.
SEPARATOR = b"\n"
SHORTEST = 4096


@dataclass(frozen=True)
class Corpus:
    """Tokens of both parts and the facts about them. Two are equal if their fingerprints are.

    `train`, `held_out`: tokens, uint8 or uint16, memory-mapped and read only.
    `train_offsets`, `held_out_offsets`: int64; document n is tokens offsets[n] : offsets[n + 1].
    `fingerprint`: hash over the tokens of both parts and the tokenizer's definition.
    `facts`: plain JSON - source, licence, version, counts, `bytes_per_token` of the held-out part
    (bits per byte = nats per token / ln 2 / bytes_per_token).
    """

    train: NDArray[Any] = field(compare=False, repr=False)
    held_out: NDArray[Any] = field(compare=False, repr=False)
    train_offsets: NDArray[np.int64] = field(compare=False, repr=False)
    held_out_offsets: NDArray[np.int64] = field(compare=False, repr=False)
    name: str = field(compare=False)
    vocab: int
    fingerprint: str
    facts: dict[str, Any] = field(compare=False, repr=False)
    tokenizer_json: str = field(compare=False, repr=False)

    def dims(self) -> dict[str, int]:
        """What a family asks of its data."""
        return {"vocab": self.vocab}

    def take(self, unique_tokens: int) -> Corpus:
        """The same corpus with only the first `unique_tokens` training tokens (a view)."""
        if not 0 < unique_tokens <= len(self.train):
            raise InputError(
                f"unique_tokens = {unique_tokens:,}; data {self.name!r} has {len(self.train):,} "
                "training tokens"
            )
        if unique_tokens == len(self.train):
            return self
        begun = self.train_offsets[self.train_offsets < unique_tokens]
        name = f"{self.fingerprint} {unique_tokens}"
        return replace(
            self,
            train=self.train[:unique_tokens],
            train_offsets=np.append(begun, unique_tokens),
            fingerprint=hashlib.sha256(name.encode()).hexdigest()[:16],
        )

    def tokenizer(self) -> tokenizers.Tokenizer:
        """The tokenizer that wrote the tokens."""
        return tokenizers.from_json(self.tokenizer_json)


def load(
    source: str, *, tokenizer: str = "bytes", held_out: float = 0.1, cache: Path | None = None
) -> Corpus:
    """The corpus of a named source, a path or a glob; from the cache where it is whole.

    `cache`: the folder that holds the entries, by default `data` in `cache_folder()`.
    Raises InputError for an unknown source or tokenizer, and unreadable or too short text.
    """
    tokenizers.check(tokenizer)
    documents = sources.read(source)
    texts = list(documents.texts.values())
    folder = (cache or cache_folder() / "data") / _key(texts, tokenizer, held_out)
    entry = store.read(folder)
    if entry is None:
        store.write(folder, *_build(source, texts, tokenizer, held_out))
        entry = store.read(folder)
    if entry is None:
        raise InputError(f"{folder}: the data cache cannot be read back; delete the folder")
    arrays, facts = entry
    # Not a fact to put into every study's folder: that of a BPE is as long as its vocabulary.
    definition = facts.pop("tokenizer_definition")
    # The key is made of contents only: the same text may have come from elsewhere.
    origin = {
        "source": source,
        "licence": documents.licence,
        "version": documents.version,
    }
    return Corpus(
        **arrays,
        name=source,
        vocab=facts["vocab"],
        fingerprint=facts["fingerprint"],
        facts=origin | facts,
        tokenizer_json=definition,
    )


def _build(
    source: str, texts: list[bytes], name: str, held_out: float
) -> tuple[store.Arrays, dict[str, Any]]:
    """The arrays of a corpus, and its facts as far as they follow from contents."""
    parts = split(texts, held_out)
    tokenizer = tokenizers.train(name, [text + SEPARATOR for text in parts.train])
    train, train_offsets = _tokens(tokenizer, parts.train)
    held, held_offsets = _tokens(tokenizer, parts.held_out)
    for part, tokens in (("training", train), ("held-out", held)):
        if len(tokens) < SHORTEST:
            raise InputError(
                f"data {source!r}: only {len(tokens):,} tokens in the {part} part, "
                f"at least {SHORTEST:,} are needed"
            )
    definition = tokenizer.to_json()
    digest = hashlib.sha256(definition.encode())
    for tokens in (train, held):
        digest.update(len(tokens).to_bytes(8, "little"))
        digest.update(tokens.tobytes())
    held_bytes = _size(parts.held_out)
    return {
        "train": train,
        "held_out": held,
        "train_offsets": train_offsets,
        "held_out_offsets": held_offsets,
    }, {
        "fingerprint": digest.hexdigest()[:16],
        "tokenizer": name,
        "vocab": tokenizer.vocab,
        "tokens": {"train": len(train), "held_out": len(held)},
        "bytes": {"train": _size(parts.train), "held_out": held_bytes},
        "bytes_per_token": held_bytes / len(held),
        "documents": {"train": len(parts.train), "held_out": len(parts.held_out)},
        "cut_into_sections": parts.sections,
        "exact_duplicates": parts.exact_duplicates,
        "near_duplicates": parts.near_duplicates,
        "near_duplicate_clusters": parts.near_duplicate_clusters,
        "closest_across_parts": parts.closest,
        "tokenizer_definition": definition,
    }


def _tokens(
    tokenizer: tokenizers.Tokenizer, documents: Sequence[bytes]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All documents' tokens, and where each begins (and the last one ends)."""
    pieces = [tokenizer.encode(text + SEPARATOR) for text in documents]
    offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    dtype = np.uint8 if tokenizer.vocab <= 256 else np.uint16
    return np.concatenate(pieces).astype(dtype), offsets


def _size(documents: Sequence[bytes]) -> int:
    return sum(len(text) + len(SEPARATOR) for text in documents)


def _key(texts: Sequence[bytes], tokenizer: str, held_out: float) -> str:
    """Hash of contents and options; neither names nor the order of documents matter."""
    digests = sorted(hashlib.sha256(text).digest() for text in texts)
    options = f"{CACHE_VERSION} {tokenizer} {float(held_out)}\n".encode()
    return hashlib.sha256(options + b"".join(digests)).hexdigest()[:32]
