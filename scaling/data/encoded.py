"""Encoded images by number, from wherever they lie, become `Images` or a stream by one rule.

Small ones - no side of the first hundred above 64 pixels, and a gigabyte at most when decoded - are
decoded once and held in memory; all others are streamed, and so are folders whatever their size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.data.decode import UnreadableImageError, centre_pixels, size_and_mode
from scaling.data.image_arrays import MOST_BYTES, check_labels, in_memory
from scaling.data.image_sources import LabelledImages, Part
from scaling.data.image_split import fair_order, hold_out, salted
from scaling.data.image_stream import Encoded, EncodedImages
from scaling.data.images import Images
from scaling.data.moments import moments
from scaling.errors import InputError

# What the part that is held out may be called: the first of these that is there.
HELD_OUT = ("val", "validation", "valid", "dev", "test", "held_out")
SMALL = 64
SAMPLE = 100
# The side that large images are streamed at.
SIDE = 224


class Listed(Encoded, Protocol):
    """`digests()`: what stands for each image, told without reading it."""

    def digests(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class EncodedSource:
    """What a reader of encoded images found.

    `held_out`: None where there is no such part; `held_out_is` names it. `version`: what all
    contents hang on. `large`: to be streamed without a look at its size. `facts`: what else there
    is to say, plain JSON.
    """

    name: str
    licence: str
    version: str
    classes: tuple[str, ...]
    train: Listed
    held_out: Listed | None
    held_out_is: str = "the source's own test part"
    large: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def parts(self) -> tuple[Listed, ...]:
        return (self.train,) if self.held_out is None else (self.train, self.held_out)


@dataclass(frozen=True)
class Chosen:
    """Some of a reader's images, in an order of their own."""

    part: Encoded
    order: NDArray[np.int64]

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        return self.part.labels[self.order]

    def __len__(self) -> int:
        return len(self.order)

    def read(self, n: int) -> bytes:
        return self.part.read(int(self.order[n]))

    def name(self, n: int) -> str:
        return self.part.name(int(self.order[n]))


class Decoded:
    """Small images as a source of arrays, all at one side."""

    def __init__(self, found: EncodedSource, side: int, corrupt: float) -> None:
        self.NAME, self.LICENCE = found.name, found.licence
        self.found, self.side, self.corrupt = found, side, corrupt

    def version(self) -> str:
        return self.found.version

    def images(self) -> LabelledImages:
        """Grey where all are grey. Raises InputError where too many cannot be decoded."""
        decoded = [decoded_part(part, self.side, self.corrupt) for part in self.found.parts()]
        parts = [
            Part(pixels, part.labels[good])
            for part, (pixels, good, _) in zip(self.found.parts(), decoded, strict=True)
        ]
        if all((p.images == p.images[..., :1]).all() for p in parts):
            parts = [Part(p.images[..., :1], p.labels) for p in parts]
        bad = [name for _, _, names in decoded for name in names]
        return LabelledImages(
            self.found.classes,
            parts[0],
            parts[1] if len(parts) == 2 else None,
            {"corrupt_images_left_out": bad},
        )


def decoded_part(
    part: Encoded, side: int, corrupt: float
) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    """The centre squares of a part's images at one side; which those are; what is corrupt.

    Raises InputError where that is more than the share `corrupt` of all.
    """
    pixels = np.empty((len(part), side, side, 3), np.uint8)
    good: list[int] = []
    bad: list[str] = []
    for n in range(len(part)):
        try:
            pixels[n] = centre_pixels(part.read(n), side, share=1)
            good.append(n)
        except UnreadableImageError as error:
            bad.append(f"{part.name(n)} ({error})")
    if len(bad) > corrupt * len(part):
        raise InputError(
            f"{len(bad):,} of {len(part):,} images are corrupt, {corrupt:.2%} may be: "
            f"{', '.join(bad[:3])}"
        )
    return pixels[good], good, bad


def opened(
    found: EncodedSource,
    *,
    image: int | None,
    held_out: float,
    corrupt: float,
    workers: int | None,
    cache: Path,
) -> Images | EncodedImages:
    """What was found, in memory where it is small, else as a stream in a fair order."""
    _check(found)
    side = None if found.large else _small(found, image)
    if side is not None:
        return in_memory(Decoded(found, side, corrupt), side, held_out, cache, corrupt)
    side = SIDE if image is None else image
    if found.held_out is None:
        labels, rule = found.train.labels, f"{held_out:.0%} of each class"
        alone = np.ones(len(labels), np.bool_)  # contents are not compared
        keys = salted("held-out:", found.train.digests())
        out = hold_out(labels, keys, alone, held_out, found.classes)
        train, rest = _fair(found.train, ~out), _fair(found.train, out)
    else:
        train, rest, rule = _fair(found.train), _fair(found.held_out), found.held_out_is
    options = f"{found.version} {side} {None if found.held_out else float(held_out)}"
    key = hashlib.sha256(options.encode()).hexdigest()
    mean, std = moments(train, side, cache / f"moments-{key[:32]}")
    counts = np.bincount(train.labels)
    return EncodedImages(
        train=train,
        held_out=rest,
        classes=found.classes,
        mean=mean,
        std=std,
        name=found.name,
        fingerprint=key[:16],
        facts={
            "source": found.name,
            "licence": found.licence,
            "version": found.version,
            "classes": list(found.classes),
            "image": side,
            "channels": 3,
            "images": {"train": len(train), "held_out": len(rest)},
            "images_a_class": {"fewest": int(counts.min()), "most": int(counts.max())},
            "held_out": rule,
            "exact_duplicates": "not looked for: that would read every image",
            **found.facts,
        },
        image=side,
        workers=workers,
        corrupt=corrupt,
    )


def _fair(part: Listed, chosen: NDArray[np.bool_] | None = None) -> Chosen:
    """Those chosen, or all, in an order whose first n are a fair sample, whatever n is."""
    numbers = np.arange(len(part)) if chosen is None else np.flatnonzero(chosen)
    keys = salted("order:", part.digests())[numbers]
    return Chosen(part, numbers[fair_order(part.labels[numbers], keys)])


def _check(found: EncodedSource) -> None:
    for part in found.parts():
        if not len(part):
            raise InputError(f"image data {found.name!r}: no images")
        check_labels(found.name, part.labels, found.classes)


def _small(found: EncodedSource, image: int | None) -> int | None:
    """The side to hold all images in memory at, or None: stream them."""
    sides = []
    for n in range(min(SAMPLE, len(found.train))):
        try:
            sides.append(size_and_mode(found.train.read(n))[:2])
        except UnreadableImageError:
            continue
    if not sides or max(map(max, sides)) > SMALL:
        return None
    side = min(sides[0]) if image is None else image
    total = sum(map(len, found.parts())) * side * side * 3
    return side if total <= MOST_BYTES else None


def class_names(labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Names of classes, sorted, and each image's number among them."""
    names, numbers = np.unique(np.array(labels), return_inverse=True)
    return tuple(map(str, names)), numbers.astype(np.int32)
