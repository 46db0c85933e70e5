"""What every baseline trains: one shape on one kind of data, with batches made on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from scaling import families
from scaling.data import Corpus, Images, Pairs
from scaling.data.captions import BEGIN, END, SPECIAL
from scaling.data.corpus import load
from scaling.families.transformer import NAME, from_width
from scaling.grid import AnyData, Cell, Data, Recipe

# The baselines' peak rate. It doesn't affect their speed; it keeps full runs from diverging.
LEARNING_RATE = 3e-3
WARMUP_STEPS = 64
# The schedule's length where a loop is only timed.
TIMED_STEPS = 100_000
# Images of noise in the sizes of Fashion-MNIST: what is trained on doesn't affect speed.
IMAGES, SIDE, CLASSES = 10_000, 28, 10
# Captions as long as "a photo of a {}." makes them from class names.
CONTEXT, VOCAB = 10, 40
# Parameters of three sizes of each family on such images, a factor of about ten apart in FLOPs.
SIZES: dict[str, tuple[float, ...]] = {
    "mlp": (1e4, 1e5, 1e6),
    "cnn": (7e3, 3e4, 1e5),
    "vgg": (1e5, 4e5, 1.6e6),
    "alexnet": (1e5, 5e5, 2.5e6),
    "resnet": (2e4, 8e4, 3e5),
    "vit": (2.5e4, 1e5, 4e5),
    "coca": (6e4, 2.5e5, 1e6),
}


@dataclass(frozen=True)
class Setting:
    """One shape, how it is trained and on what."""

    shape: Any
    recipe: Recipe
    data: Data
    family: str

    @property
    def unit(self) -> str:
        return families.get(self.family).UNIT

    @property
    def cell(self) -> Cell:
        """A run of this setting over all of its training part."""
        made = made_data(self)
        n_train = len(made.train) if isinstance(made, Corpus) else made.n_train
        return Cell("pilot", self.family, self.shape, self.recipe, TIMED_STEPS, 0, "", n_train, 1)

    @property
    def corpus(self) -> Corpus:
        return load(self.data.source, tokenizer=self.data.tokenizer, held_out=self.data.held_out)

    @property
    def batch(self) -> int:
        """Units of D in a step."""
        return self.cell.batch

    def batches(self, seed: int = 0) -> Iterator[tuple[Any, ...]]:
        """Endless batches as most training scripts make them, NumPy: windows of text and their next
        tokens, images and labels, or images, captions and labels."""
        rng = np.random.default_rng(seed)
        return self._windows(rng) if self.unit == "token" else self._examples(rng)

    def _windows(self, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
        tokens, context = self.corpus.train, self.shape.context
        while True:
            starts = rng.integers(0, len(tokens) - context, self.batch // context)
            batch = np.stack([tokens[i : i + context + 1] for i in starts]).astype(np.int64)
            yield batch[:, :-1], batch[:, 1:]

    def _examples(self, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
        images = random_images()
        pixels = (images.train / np.float32(255) - np.float32(images.mean)) / np.float32(images.std)
        labels, captions = images.train_labels, random_pairs().captions
        while True:
            picks = rng.integers(0, len(labels), self.batch)
            caption = (captions[labels[picks]],) if self.unit == "pair" else ()
            yield pixels[picks], *caption, labels[picks]


def made_data(setting: Setting) -> AnyData:
    """What our engine's feed is given."""
    if setting.unit == "token":
        return setting.corpus
    return random_images() if setting.unit == "image" else random_pairs()


@cache
def random_images() -> Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, SIDE, SIDE, 1), np.uint8)
    labels = rng.integers(0, CLASSES, IMAGES, np.int32)
    names = tuple(map(str, range(CLASSES)))
    spread = (float(pixels.std() / 255),)
    parts = (pixels, labels, pixels[:CLASSES], labels[:CLASSES])
    return Images(*parts, names, (0.5,), spread, "noise", "", {})


@cache
def random_pairs() -> Pairs:
    """One caption a class."""
    images, rng = random_images(), np.random.default_rng(0)
    captions = rng.integers(SPECIAL, VOCAB, (CLASSES, CONTEXT)).astype(np.int32)
    captions[:, 0], captions[:, -1] = BEGIN, END
    rows = images.train_labels, images.held_out_labels
    return Pairs(images, captions, *rows, captions[:, None], VOCAB, "", {}, "")


def text_setting(width: int) -> Setting:
    """The default language model of this width: depth 2, context 64, 1,024 tokens a step."""
    data = Data()
    vocab = load(data.source, tokenizer=data.tokenizer, held_out=data.held_out).vocab
    return Setting(from_width(width, vocab=vocab, context=64, depth=2), Recipe(), data, NAME)


def image_setting(name: str, size: float) -> Setting:
    """The family's usual shape nearest to this size, 128 images (or pairs) a step."""
    family = families.get(name)
    data = random_images() if family.UNIT == "image" else random_pairs()
    return Setting(family.from_size(size, **data.dims()), Recipe(), Data(), name)
