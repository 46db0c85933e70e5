"""Labelled images as arrays: split, put into a fair order, described and cached."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data.extras import needed
from scaling.data.image_sources import ImageSource, LabelledImages, Part
from scaling.data.image_split import digest, fair_order, hold_out, salted
from scaling.data.images import Images
from scaling.errors import InputError

# Part of the cache's key: raise it when the same source would give other arrays.
CACHE_VERSION = 1
# Of decoded images, in memory.
MOST_BYTES = 2**30


def in_memory(
    source: ImageSource,
    image: int | None,
    held_out: float,
    cache: Path,
    corrupt: float | None = None,
) -> Images:
    """The source's images in both parts, from the cache where it is whole.

    corrupt: the share that the source left out at most, where it decodes.
    Raises InputError for bad labels and shares, and what the source raises.
    """
    version = source.version()
    options = f"{CACHE_VERSION} {source.NAME} {version} {image} {float(held_out)} {corrupt}"
    folder = cache / f"images-{hashlib.sha256(options.encode()).hexdigest()[:32]}"
    entry = store.read(folder)
    if entry is None:
        store.write(folder, *_build(source, image, held_out))
        entry = store.read(folder)
    if entry is None:
        raise InputError(f"{folder}: the data cache cannot be read back; delete the folder")
    origin = {"source": source.NAME, "licence": source.LICENCE, "version": version}
    return images_from(*entry, origin)


def images_from(arrays: store.Arrays, facts: dict[str, Any], origin: dict[str, str]) -> Images:
    """What was put into the cache; `origin`: its source, licence and version."""
    return Images(
        **arrays,
        classes=tuple(facts["classes"]),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        name=origin["source"],
        fingerprint=facts["fingerprint"],
        facts=origin | facts,
    )


def _build(
    source: ImageSource, image: int | None, held_out: float
) -> tuple[store.Arrays, dict[str, Any]]:
    found = source.images()
    check(source.NAME, found)
    kept, held, facts = arranged(found, held_out)
    train, rest = found.train, found.held_out or found.train
    arrays: store.Arrays = {
        "train": resized(train.images[kept], image),
        "train_labels": train.labels[kept].astype(np.int32),
        "held_out": resized(rest.images[held], image),
        "held_out_labels": rest.labels[held].astype(np.int32),
    }
    return arrays, described(arrays, found.classes) | facts | (found.facts or {})


def check(name: str, found: LabelledImages) -> None:
    """Raises InputError for no images, labels that name no class, and a class without images."""
    for part in filter(None, (found.train, found.held_out)):
        if not len(part.labels):
            raise InputError(f"image data {name!r}: no images")
        check_labels(name, part.labels, found.classes)


def check_labels(name: str, labels: NDArray[Any], classes: Sequence[str]) -> None:
    """Raises InputError for labels that name no class, and for a class without images."""
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if wrong.size:
        raise InputError(
            f"image data {name!r}: image {wrong[0]} has label {labels[wrong[0]]} "
            f"({wrong.size:,} such images); valid: 0 to {len(classes) - 1}"
        )
    empty = [c for c, n in enumerate(np.bincount(labels, minlength=len(classes))) if not n]
    if empty:
        raise InputError(
            f"image data {name!r}: class {classes[empty[0]]!r} has no images "
            f"({len(empty):,} such classes)"
        )


def arranged(
    found: LabelledImages, held_out: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, Any]]:
    """Which images are trained on, in a fair order, which are held out, and the facts of it.

    Held out are images of the source's own test part where it has one, else of its only part.
    """
    train, digests = found.train, _digests(found.train)
    # The label too: an image that stands under two of them has a place for each.
    keys = salted("order:", (d + b"%d" % n for d, n in zip(digests, train.labels, strict=True)))
    if found.held_out is None:
        copies = Counter(digests)
        alone = np.array([copies[d] == 1 for d in digests])
        salt = salted("held-out:", digests)
        out = hold_out(train.labels, salt, alone, held_out, found.classes)
        held, rule, leaks = np.flatnonzero(out), f"{held_out:.0%} of each class", 0
        held_digests = {digests[n] for n in held}
    else:
        held, rule = np.arange(len(found.held_out.labels)), "the source's own test part"
        held_digests = set(_digests(found.held_out))
        out = np.array([d in held_digests for d in digests])
        leaks = int(out.sum())
    kept = np.flatnonzero(~out)
    kept = kept[fair_order(train.labels[kept], keys[kept])]
    return (
        kept,
        held,
        {
            "held_out": rule,
            "exact_duplicates_dropped_from_training": leaks,
            "exact_duplicates_within_training": len(kept) - len(set(digests) - held_digests),
        },
    )


def _digests(part: Part) -> list[bytes]:
    return [digest(image.tobytes()) for image in part.images]


def resized(images: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Every image at another side in pixels, filtered so that shrinking does not alias."""
    if side is None or images.shape[1] == side:
        return images
    if len(images) * side**2 * images.shape[3] > MOST_BYTES:
        raise InputError(
            f"image = {side}: {len(images):,} images of {side} x {side} pixels take more than the "
            f"{MOST_BYTES / 2**30:g} GiB that are held in memory; give a smaller side"
        )
    needed("PIL", "images are resized by Pillow", "train")
    from PIL import Image

    def one(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # Pillow knows a grey image without an axis for its channel.
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        pixels = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
        return pixels.reshape(side, side, -1)

    return np.stack([one(image) for image in images])


def described(arrays: store.Arrays, classes: Sequence[str]) -> dict[str, Any]:
    """The facts that follow from the arrays of both parts."""
    side, channels = arrays["train"].shape[2:]
    shares = arrays["train"].reshape(-1, channels) / np.float32(255)
    labels = {name: arrays[f"{name}_labels"] for name in ("train", "held_out")}
    return {
        "fingerprint": _fingerprint(arrays, classes),
        "classes": list(classes),
        "image": side,
        "channels": channels,
        "images": {name: len(n) for name, n in labels.items()},
        "images_a_class": {
            name: np.bincount(n, minlength=len(classes)).tolist() for name, n in labels.items()
        },
        "mean": shares.mean(0, dtype=np.float64).tolist(),
        "std": shares.std(0, dtype=np.float64).tolist(),
    }


def _fingerprint(arrays: store.Arrays, classes: Sequence[str]) -> str:
    total = hashlib.sha256("\n".join(classes).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"\n{name} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:16]
