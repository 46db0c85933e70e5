"""From a source's name to images that are split, ordered, described and cached."""

from __future__ import annotations

import hashlib
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data import image_sources
from scaling.data.image_folder import open_folder
from scaling.data.image_sources import ImageSource, LabelledImages, Part
from scaling.data.image_split import digest, fair_order, hold_out, salted
from scaling.data.image_stream import CORRUPT
from scaling.data.images import Images, ImageStream
from scaling.errors import InputError

# Part of the cache's key: raise it when the same source would give other arrays.
CACHE_VERSION = 1


def images_of(
    source: str,
    *,
    image: int | None = None,
    held_out: float = 0.1,
    corrupt: float = CORRUPT,
    workers: int | None = None,
    cache: Path | None = None,
) -> Images | ImageStream:
    """The images of a named source or a folder, in both parts.

    image: the side in pixels that they are resized to, by default 224 for what is streamed, else
    as they are. held_out: the share of each class that is held out where the source has no test
    part of its own. corrupt: the share of a stream's images that may be corrupt. workers: processes
    that decode a stream, by default one a core. cache: the folder that holds what was prepared, by
    default `data` in `cache_folder()`.
    Raises InputError for an unknown source, and bad images, labels, classes or shares.
    """
    if image is not None and image < 1:
        raise InputError(f"image = {image}; valid: a side of 1 pixel or more")
    if not 0 <= corrupt < 1:
        raise InputError(f"corrupt = {corrupt}; valid: a share of 0 or more and below 1")
    folder = cache or store.cache_folder() / "data"
    if named := image_sources.registry().get(source):
        return _named(named, image, held_out, folder)
    if (root := Path(source).expanduser()).is_dir():
        return open_folder(
            root, image=image, held_out=held_out, cache=folder, workers=workers, corrupt=corrupt
        )
    raise InputError(_unknown(source))


def _unknown(source: str) -> str:
    near = get_close_matches(source.lower(), image_sources.names(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(image_sources.names())
    return f"no image data called {source!r}; known: {known}, or a folder with train/CLASS/*{hint}"


def _named(source: ImageSource, image: int | None, held_out: float, cache: Path) -> Images:
    version = source.version()
    options = f"{CACHE_VERSION} {source.NAME} {version} {image} {float(held_out)}"
    folder = cache / f"images-{hashlib.sha256(options.encode()).hexdigest()[:32]}"
    entry = store.read(folder)
    if entry is None:
        store.write(folder, *_build(source, image, held_out))
        entry = store.read(folder)
    if entry is None:
        raise InputError(f"{folder}: the data cache cannot be read back; delete the folder")
    arrays, facts = entry
    return Images(
        **arrays,
        classes=tuple(facts["classes"]),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        name=source.NAME,
        fingerprint=facts["fingerprint"],
        facts={"source": source.NAME, "licence": source.LICENCE, "version": version} | facts,
    )


def _build(
    source: ImageSource, image: int | None, held_out: float
) -> tuple[store.Arrays, dict[str, Any]]:
    """The arrays of both parts in their order, and the facts that follow from them."""
    found = source.images()
    for part in filter(None, (found.train, found.held_out)):
        _check(source.NAME, part, found.classes)
    train, held, facts = _split(found, held_out)
    if image is not None:
        train, held = (Part(resized(p.images, image), p.labels) for p in (train, held))
    shares = train.images.reshape(-1, train.images.shape[3]) / np.float32(255)
    classes = list(found.classes)
    arrays: store.Arrays = {
        "train": train.images,
        "train_labels": train.labels.astype(np.int32),
        "held_out": held.images,
        "held_out_labels": held.labels.astype(np.int32),
    }
    return arrays, {
        "fingerprint": _fingerprint(arrays, classes),
        "classes": classes,
        "image": train.images.shape[1],
        "channels": train.images.shape[3],
        "images": {"train": len(train.labels), "held_out": len(held.labels)},
        "images_a_class": {
            name: np.bincount(part.labels, minlength=len(classes)).tolist()
            for name, part in (("train", train), ("held_out", held))
        },
        "mean": shares.mean(0, dtype=np.float64).tolist(),
        "std": shares.std(0, dtype=np.float64).tolist(),
        **facts,
    }


def _check(name: str, part: Part, classes: tuple[str, ...]) -> None:
    """Raises InputError for labels that name no class, and for a class without images."""
    if not len(part.labels):
        raise InputError(f"image data {name!r}: no images")
    wrong = np.flatnonzero((part.labels < 0) | (part.labels >= len(classes)))
    if wrong.size:
        raise InputError(
            f"image data {name!r}: image {wrong[0]} has label {part.labels[wrong[0]]} "
            f"({wrong.size:,} such images); valid: 0 to {len(classes) - 1}"
        )
    empty = [c for c, n in enumerate(np.bincount(part.labels, minlength=len(classes))) if not n]
    if empty:
        raise InputError(
            f"image data {name!r}: class {classes[empty[0]]!r} has no images "
            f"({len(empty):,} such classes)"
        )


def _split(found: LabelledImages, held_out: float) -> tuple[Part, Part, dict[str, Any]]:
    """Both parts, the training part in a fair order, and what exact duplicates there were."""
    train, digests = found.train, _digests(found.train)
    # The label too: an image that stands under two of them has a place for each.
    keys = salted("order:", (d + b"%d" % n for d, n in zip(digests, train.labels, strict=True)))
    copies = Counter(digests)
    if found.held_out is None:
        alone = np.array([copies[d] == 1 for d in digests])
        out = hold_out(train.labels, salted("held-out:", digests), alone, held_out, found.classes)
        part, rule = Part(train.images[out], train.labels[out]), f"{held_out:.0%} of each class"
        held_digests = {d for d, chosen in zip(digests, out, strict=True) if chosen}
        leaks = 0
    else:
        part, rule = found.held_out, "the source's own test part"
        held_digests = set(_digests(part))
        out = np.array([d in held_digests for d in digests])
        leaks = int(out.sum())
    kept = np.flatnonzero(~out)
    kept = kept[fair_order(train.labels[kept], keys[kept])]
    distinct = len(set(digests) - held_digests)
    facts = {
        "held_out": rule,
        "exact_duplicates_dropped_from_training": leaks,
        "exact_duplicates_within_training": len(kept) - distinct,
    }
    return Part(train.images[kept], train.labels[kept]), part, facts


def _digests(part: Part) -> list[bytes]:
    return [digest(image.tobytes()) for image in part.images]


def resized(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Every image at another side in pixels, filtered so that shrinking does not alias."""
    if images.shape[1] == side:
        return images
    from PIL import Image

    def one(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # Pillow knows a grey image without an axis for its channel.
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        pixels = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
        return pixels.reshape(side, side, -1)

    return np.stack([one(image) for image in images])


def _fingerprint(arrays: store.Arrays, classes: list[str]) -> str:
    total = hashlib.sha256("\n".join(classes).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"\n{name} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:16]
