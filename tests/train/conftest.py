"""A tiny cell and its text; each program is compiled once, as it is once for a machine's runs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import jax
import pytest

from scaling.data import Corpus, load
from scaling.families.transformer import from_width
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.sweep.work import prepare_jax


@pytest.fixture(scope="package", autouse=True)
def compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = jax.config.jax_compilation_cache_dir
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALING_CACHE", str(tmp_path_factory.mktemp("cache")))
        prepare_jax()
        yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("text")
    for i in range(12):
        rng = random.Random(i)
        words = [rng.choice(["loss", "falls", "as", "a", "power", "law"]) for _ in range(900)]
        (folder / f"{i}.txt").write_text(" ".join(words))
    return load(f"{folder}/*.txt", held_out=0.2, cache=folder / "cache")


@pytest.fixture
def cell(corpus: Corpus) -> Cell:
    return Cell(
        role="pilot",
        family="transformer",
        shape=from_width(8, vocab=corpus.vocab, context=16, depth=1),
        recipe=Recipe(batch_tokens=128, warmup_steps=4, base_width=8),
        steps=10 * CHUNK_STEPS,
        seed=3,
        data=corpus.fingerprint,
        D_unique=len(corpus.train),
        evaluate=2048,
    )
