"""A folder of classes with real image files, streams of it, and ways to spoil it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.data import images_of
from scaling.data.image_stream import EncodedImages
from scaling.data.images import Batch

CLASSES = ("ant", "bee", "cow")
# What a class looks like, so that an image tells its label.
COLOURS = np.array([(220, 30, 30), (30, 220, 30), (30, 30, 220)])


def write(path: Path, label: int, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 26, (size[1], size[0], 3))
    Image.fromarray((COLOURS[label] + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_folder(root: Path) -> None:
    """Ninety images for training, thirty in `val`, in three classes and every known suffix."""
    suffixes = itertools.cycle(("JPEG", "jpg", "PNG", "webp", "jpeg"))
    for part, count in (("train", 30), ("val", 10)):
        for label, name in enumerate(CLASSES):
            for n in range(count):
                seed = n + 1000 * label + 10_000 * (part == "val")
                write(root / part / name / f"{n:03d}.{next(suffixes)}", label, seed)


def stream(root: Path, cache: Path, **options: object) -> EncodedImages:
    data = images_of(str(root), image=16, cache=cache, **{"workers": 0, **options})
    assert isinstance(data, EncodedImages)
    return data


def take(batches: Iterator[Batch], n: int) -> list[tuple[bytes, bytes]]:
    taken = [(x.tobytes(), y.tobytes()) for x, y in itertools.islice(batches, n)]
    batches.close()
    return taken


def spoil(root: Path, part: str, count: int) -> list[Path]:
    """Half a file for each of the first images of a part."""
    victims = sorted((root / part).rglob("*.*"))[:count]
    for path in victims:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return victims
