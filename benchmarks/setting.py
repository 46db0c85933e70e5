"""What every baseline trains: one shape on one text, with batches made on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.data import Corpus
from scaling.data.corpus import load
from scaling.families.transformer import NAME, Transformer, from_width
from scaling.grid import Data, Recipe

# The baselines' peak rate. It doesn't affect their speed; it keeps full runs from diverging.
LEARNING_RATE = 3e-3
WARMUP_STEPS = 64
# The schedule's length where a loop is only timed.
TIMED_STEPS = 100_000


@dataclass(frozen=True)
class Setting:
    """One shape, how it is trained and on what."""

    shape: Transformer
    recipe: Recipe
    data: Data
    family: str

    @property
    def corpus(self) -> Corpus:
        return load(self.data.source, tokenizer=self.data.tokenizer, held_out=self.data.held_out)

    @property
    def windows(self) -> int:
        """Windows in a batch."""
        return self.recipe.batch_tokens // self.shape.context

    def batches(self, seed: int = 0) -> Iterator[tuple[Any, Any]]:
        """Endless batches as most training scripts make them: random windows, int64, NumPy."""
        rng = np.random.default_rng(seed)
        tokens, context = self.corpus.train, self.shape.context
        while True:
            starts = rng.integers(0, len(tokens) - context, self.windows)
            batch = np.stack([tokens[i : i + context + 1] for i in starts]).astype(np.int64)
            yield batch[:, :-1], batch[:, 1:]


def text_setting(width: int) -> Setting:
    """The default language model of this width: depth 2, context 64, 1,024 tokens a step."""
    data = Data()
    vocab = load(data.source, tokenizer=data.tokenizer, held_out=data.held_out).vocab
    return Setting(from_width(width, vocab=vocab, context=64, depth=2), Recipe(), data, NAME)
