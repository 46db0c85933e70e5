"""A corpus: one source, split, tokenised and cached as memory-mapped token files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import sources, tokenizers
from scaling.data.split import split
from scaling.errors import InputError

# Part of the cache's key: raise it when the same documents would give other tokens.
CACHE_VERSION = 2
# Documents are joined by a newline: it is text, and needs no symbol of its own.
SEPARATOR = b"\n"
SHORTEST = 4096


@dataclass(frozen=True)
class Corpus:
    """Token arrays (uint8 or uint16, memory-mapped, read only) and the facts about them."""

    train: NDArray[Any]
    held_out: NDArray[Any]
    vocab: int
    fingerprint: str
    facts: dict[str, Any]


def load(
    source: str, *, tokenizer: str = "bytes", held_out: float = 0.1, cache: Path | None = None
) -> Corpus:
    """The corpus of a named source, a path or a glob; from the cache where it is whole.

    Raises InputError for an unknown source, unreadable or too short text.
    """
    documents = sources.read(source)
    key = _key(documents.texts, tokenizer, held_out)
    folder = (cache or cache_folder() / "data") / key
    corpus = _open(folder)
    if corpus is None:
        _build(folder, documents, tokenizer, held_out)
        corpus = _open(folder)
    if corpus is None:
        raise InputError(f"{folder}: the data cache cannot be read back; delete the folder")
    return corpus


def cache_folder() -> Path:
    """`$SCALING_CACHE`, or `scaling` in the user's cache folder."""
    if own := os.environ.get("SCALING_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"


def _build(
    folder: Path, documents: sources.Documents, tokenizer_name: str, held_out: float
) -> None:
    texts = documents.texts
    parts = split(texts, held_out)
    raw = {
        "train": SEPARATOR.join(texts[n] for n in parts.train),
        "held_out": SEPARATOR.join(texts[n] for n in parts.held_out),
    }
    tokenizer = tokenizers.train(tokenizer_name, raw["train"])
    dtype = np.uint8 if tokenizer.vocab <= 256 else np.uint16
    tokens = {part: tokenizer.encode(text).astype(dtype) for part, text in raw.items()}
    for part, array in tokens.items():
        if len(array) < SHORTEST:
            raise InputError(
                f"data {documents.source!r}: only {len(array):,} tokens in the {part} part, "
                f"at least {SHORTEST:,} are needed"
            )
    digest = hashlib.sha256(tokenizer.to_json().encode())
    for array in tokens.values():
        digest.update(array.tobytes())
    facts = {
        "source": documents.source,
        "licence": documents.licence,
        "version": documents.version,
        "tokenizer": tokenizer_name,
        "documents": {"train": len(parts.train), "held_out": len(parts.held_out)},
        "near_duplicates": parts.duplicates,
        "bytes_per_token": sum(map(len, raw.values())) / sum(map(len, tokens.values())),
        "vocab": tokenizer.vocab,
        "fingerprint": digest.hexdigest()[:16],
        "sizes": {part: array.nbytes for part, array in tokens.items()},
        "dtype": np.dtype(dtype).name,
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix="partial-"))
    for part, array in tokens.items():
        array.tofile(partial / f"{part}.bin")
    (partial / "tokenizer.json").write_text(tokenizer.to_json())
    (partial / "facts.json").write_text(json.dumps(facts, indent=1))
    try:
        if folder.exists():  # damaged: `_open` refused it
            shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError:  # another process was first: its files are the same
        shutil.rmtree(partial, ignore_errors=True)


def _open(folder: Path) -> Corpus | None:
    """The corpus in a cache folder; None where it is missing or not whole."""
    try:
        facts = json.loads((folder / "facts.json").read_text())
        arrays = {
            part: np.memmap(folder / f"{part}.bin", dtype=facts["dtype"], mode="r")
            for part in ("train", "held_out")
        }
        if any(array.nbytes != facts["sizes"][part] for part, array in arrays.items()):
            return None
        return Corpus(**arrays, vocab=facts["vocab"], fingerprint=facts["fingerprint"], facts=facts)
    except (OSError, ValueError, KeyError):
        return None


def _key(texts: dict[str, bytes], tokenizer: str, held_out: float) -> str:
    digest = hashlib.sha256(f"{CACHE_VERSION} {tokenizer} {held_out}".encode())
    for name, text in texts.items():
        digest.update(f"\n{len(name)} {name} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()[:32]
