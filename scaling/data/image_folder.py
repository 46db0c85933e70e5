"""Folders in the way of ImageNet: `ROOT/train/CLASS/*.JPEG`, `ROOT/val/CLASS/*.JPEG`.

A folder is listed each time it is opened, so that a change is seen; what follows from the listing
is kept as arrays on disk that all workers map, never as lists of names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data.image_split import fair_order, hold_out, salted
from scaling.data.image_stream import CORRUPT, EncodedImages
from scaling.data.moments import moments
from scaling.errors import InputError

CACHE_VERSION = 1
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
TRAIN = "train"
# The first of these that is there is the held-out part.
HELD_OUT = ("val", "validation", "test")
SIDE = 224


@dataclass(frozen=True)
class Listing:
    """The image files of one part's folder, class by class, sorted by name.

    `names`: all file names, one after the other; name n is names[offsets[n] : offsets[n + 1]].
    `sizes`: bytes of each file. `labels`: the number of its class.
    """

    classes: tuple[str, ...]
    names: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int32]
    other_files: int

    def digests(self) -> Iterator[bytes]:
        """What stands for each file: its class, name and size. Nothing is read."""
        names = self.names.tobytes()
        for n, label in enumerate(self.labels):
            name = names[self.offsets[n] : self.offsets[n + 1]]
            yield b"%s/%s %d" % (os.fsencode(self.classes[label]), name, self.sizes[n])

    def fingerprint(self) -> str:
        """A hash over classes, names and sizes; never over times."""
        total = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogateescape"))
        for array in (self.names, self.offsets, self.sizes, self.labels):
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()[:16]


class FolderImages:
    """Image files by number, from arrays that are mapped from `entry`.

    `order`: the array of the entry that says which file of the listing is image n.
    """

    def __init__(self, root: Path, entry: Path, part: str, order: str, classes: Sequence[str]):
        self._root, self._entry, self._part = root, entry, part
        self._order, self._classes = order, tuple(classes)

    def __getstate__(self) -> dict[str, Any]:
        # A worker maps the arrays itself.
        return {name: value for name, value in vars(self).items() if name.startswith("_")}

    @cached_property
    def arrays(self) -> store.Arrays:
        return {
            name: np.load(self._entry / f"{self._part}_{name}.npy", mmap_mode="r")
            for name in ("names", "offsets", "labels")
        } | {"order": np.load(self._entry / f"{self._order}.npy", mmap_mode="r")}

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        return self.arrays["labels"][self.arrays["order"]]

    def __len__(self) -> int:
        return len(self.arrays["order"])

    def name(self, n: int) -> str:
        """The file's path."""
        file = self.arrays["order"][n]
        begin, end = self.arrays["offsets"][file : file + 2]
        name = os.fsdecode(self.arrays["names"][begin:end].tobytes())
        return str(self._root / self._part / self._classes[self.arrays["labels"][file]] / name)

    def read(self, n: int) -> bytes:
        """The file's contents; empty, which no decoder takes, where it cannot be read."""
        try:
            return Path(self.name(n)).read_bytes()
        except OSError:
            return b""


def open_folder(
    root: Path,
    *,
    image: int | None,
    held_out: float,
    cache: Path,
    workers: int | None = None,
    corrupt: float = CORRUPT,
) -> EncodedImages:
    """A stream of the images of a folder; see `scaling.data.images_of`.

    Raises InputError for folders without images, an empty class, and classes that differ between
    the parts.
    """
    train = listing(root / TRAIN)
    there = [name for name in HELD_OUT if (root / name).is_dir()]
    test = listing(root / there[0]) if there else None
    if test is not None:
        _check_classes(train.classes, test.classes, root, there[0])
    side = SIDE if image is None else image
    fingerprints = [part.fingerprint() for part in (train, test) if part is not None]
    # The share matters only where there is no held-out folder.
    options = f"{CACHE_VERSION} {side} {fingerprints} {None if there else float(held_out)}"
    key = hashlib.sha256(options.encode()).hexdigest()
    entry = cache / f"folder-{key[:32]}"
    train_part = FolderImages(root, entry, TRAIN, "train_order", train.classes)
    test_part = FolderImages(
        root, entry, there[0] if there else TRAIN, "held_out_order", train.classes
    )
    found = store.read(entry)
    if found is None:
        parts = {TRAIN: train} | ({there[0]: test} if test is not None else {})
        orders = _orders(train, test, held_out)
        arrays = {
            f"{name}_{field}": getattr(part, field)
            for name, part in parts.items()
            for field in ("names", "offsets", "labels")
        }
        store.write(entry, arrays | orders, {})
        found = store.read(entry)
    if found is None:
        raise InputError(f"{entry}: the data cache cannot be read back; delete the folder")
    mean, std = moments(train_part, side, cache / f"moments-{key[:32]}")
    return EncodedImages(
        train=train_part,
        held_out=test_part,
        classes=train.classes,
        mean=mean,
        std=std,
        name=str(root),
        fingerprint=key[:16],
        facts=_facts(root, train, test, there, held_out, len(train_part), len(test_part)),
        image=side,
        workers=workers,
        corrupt=corrupt,
    )


def listing(folder: Path) -> Listing:
    """All images in the class folders of `folder`."""
    if not folder.is_dir():
        raise InputError(
            f"{folder.parent}: no folder {folder.name!r} in it; an image folder holds "
            "train/CLASS/*.jpg, and val/CLASS/*.jpg for what is held out"
        )
    classes = sorted(e.name for e in os.scandir(folder) if e.is_dir() and e.name[0] != ".")
    if not classes:
        raise InputError(f"{folder}: no class folders in it; images lie in {folder.name}/CLASS/")
    names, lengths, sizes, counts, other = [], [], [], [], 0
    for name in classes:
        with os.scandir(folder / name) as files:
            found = sorted((os.fsencode(e.name), e.stat().st_size) for e in files if e.is_file())
        images = [f for f in found if f[0].lower().endswith(tuple(map(str.encode, SUFFIXES)))]
        other += len(found) - len(images)
        counts.append(len(images))
        names.append(b"".join(file for file, _ in images))
        lengths.append(np.array([len(file) for file, _ in images], np.int64))
        sizes.append(np.array([size for _, size in images], np.int64))
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise InputError(
            f"{folder / empty[0]}: no images in it ({_some(empty)} of {len(classes):,} classes); "
            f"known: {', '.join(SUFFIXES)}"
        )
    return Listing(
        classes=tuple(classes),
        names=np.frombuffer(b"".join(names), np.uint8),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]),
        sizes=np.concatenate(sizes),
        labels=np.repeat(np.arange(len(classes), dtype=np.int32), counts),
        other_files=other,
    )


def _check_classes(train: Sequence[str], test: Sequence[str], root: Path, name: str) -> None:
    if missing := sorted(set(train) ^ set(test)):
        only = {
            TRAIN: [c for c in missing if c in set(train)],
            name: [c for c in missing if c in set(test)],
        }
        told = "; ".join(f"only in {k}: {_some(v)}" for k, v in only.items() if v)
        raise InputError(f"{root}: the classes of train and {name} differ: {told}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more


def _orders(train: Listing, test: Listing | None, held_out: float) -> store.Arrays:
    """Which files of the listings the images of both parts are."""
    digests = list(train.digests())
    kept = np.arange(len(digests))
    if test is None:
        alone = np.ones(len(digests), np.bool_)
        keys = salted("held-out:", digests)
        held = hold_out(train.labels, keys, alone, held_out, train.classes)
        order, kept = np.flatnonzero(held), np.flatnonzero(~held)
    else:
        order = np.arange(len(test.labels))
    keys = salted("order:", digests)
    kept = kept[fair_order(train.labels[kept], keys[kept])]
    return {"train_order": kept, "held_out_order": order}


def _facts(
    root: Path,
    train: Listing,
    test: Listing | None,
    there: Sequence[str],
    held_out: float,
    n_train: int,
    n_held_out: int,
) -> dict[str, Any]:
    parts = [part for part in (train, test) if part is not None]
    counts = np.bincount(train.labels)
    return {
        "source": str(root),
        "licence": "not stated",
        "version": "",
        "classes": list(train.classes),
        "images": {"train": n_train, "held_out": n_held_out},
        "images_a_class": {"fewest": int(counts.min()), "most": int(counts.max())},
        "bytes": sum(int(part.sizes.sum()) for part in parts),
        "other_files_left_out": sum(part.other_files for part in parts),
        "folders_not_read": list(there[1:]),
        "held_out": f"the folder {there[0]}" if there else f"{held_out:.0%} of each class",
        "exact_duplicates": "not looked for: that would read every file",
    }
