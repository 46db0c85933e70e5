"""Image-text pairs: images whose captions are tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import tokenizers
from scaling.data.captions import BEGIN, END, PAD
from scaling.data.images import Images

__all__ = ["BEGIN", "END", "PAD", "Pairs"]


@dataclass(frozen=True)
class Pairs:
    """Images in memory, and for each the row of its caption.

    `captions`: int32 [m, context]: BEGIN, the text, END, then PAD. `train_captions`,
    `held_out_captions`: int32 [n], a row of `captions` for each image. `prompts`: int32
    [classes, templates, context], each class named by each template, for zero-shot classification;
    empty where there are no classes. An image's class is in `images`; images of one class, or
    without classes of one caption, are positives of each other.
    """

    images: Images
    captions: NDArray[np.int32] = field(compare=False, repr=False)
    train_captions: NDArray[np.int32] = field(compare=False, repr=False)
    held_out_captions: NDArray[np.int32] = field(compare=False, repr=False)
    prompts: NDArray[np.int32] = field(compare=False, repr=False)
    vocab: int
    fingerprint: str
    facts: dict[str, Any] = field(compare=False, repr=False)
    tokenizer_json: str = field(compare=False, repr=False)

    def tokenizer(self) -> tokenizers.Tokenizer:
        """The tokenizer that wrote the text; its tokens stand in captions after the specials."""
        return tokenizers.from_json(self.tokenizer_json)

    @property
    def context(self) -> int:
        return int(self.captions.shape[1])

    @property
    def n_train(self) -> int:
        return self.images.n_train

    @property
    def n_held_out(self) -> int:
        return self.images.n_held_out

    def dims(self) -> dict[str, int]:
        """What a family asks of its data."""
        image = self.images.dims()
        return {
            "image": image["image"],
            "channels": image["channels"],
            "vocab": self.vocab,
            "context": self.context,
        }
