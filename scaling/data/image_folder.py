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
from scaling.data.encoded import HELD_OUT, EncodedSource
from scaling.errors import InputError

CACHE_VERSION = 2
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
TRAIN = "train"


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

    def fingerprint(self) -> str:
        """A hash over classes, names and sizes; never over times."""
        total = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogateescape"))
        for array in (self.names, self.offsets, self.sizes, self.labels):
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()[:16]


class FolderImages:
    """Image files by number, from arrays that are mapped from the cache's `entry`."""

    def __init__(self, folder: Path, entry: Path, classes: Sequence[str]) -> None:
        self._folder, self._entry, self._classes = folder, entry, tuple(classes)

    def __getstate__(self) -> dict[str, Any]:
        # A worker maps the arrays itself.
        return {name: value for name, value in vars(self).items() if name.startswith("_")}

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        return self._array("labels")

    @cached_property
    def names(self) -> NDArray[np.uint8]:
        return self._array("names")

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        return self._array("offsets")

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        return self._array("sizes")

    def digests(self) -> Iterator[bytes]:
        """What stands for each file: its class, name and size. Nothing is read."""
        names, classes = self.names.tobytes(), [os.fsencode(name) for name in self._classes]
        for n, label in enumerate(self.labels):
            name = names[self.offsets[n] : self.offsets[n + 1]]
            yield b"%s/%s %d" % (classes[label], name, self.sizes[n])

    def _array(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self._entry / f"{name}.npy", mmap_mode="r")
        return array

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, n: int) -> str:
        """The file's path."""
        begin, end = self.offsets[n : n + 2]
        name = os.fsdecode(self.names[begin:end].tobytes())
        return str(self._folder / self._classes[self.labels[n]] / name)

    def read(self, n: int) -> bytes:
        """The file's contents; empty, which no decoder takes, where it cannot be read."""
        try:
            return Path(self.name(n)).read_bytes()
        except OSError:
            return b""


def find(root: Path, cache: Path) -> EncodedSource:
    """The images of a folder: `train`, and what is held out where there is such a folder.

    Raises InputError for folders without images, an empty class, and classes that differ between
    the parts.
    """
    there = [name for name in HELD_OUT if (root / name).is_dir()]
    parts = {name: listing(root / name) for name in (TRAIN, *there[:1])}
    train = parts[TRAIN]
    for name in there[:1]:
        _check_classes(train.classes, parts[name].classes, root, name)
    files = [_mapped(root / name, part, cache) for name, part in parts.items()]
    return EncodedSource(
        name=str(root),
        licence="not stated",
        version=" ".join(part.fingerprint() for part in parts.values()),
        classes=train.classes,
        train=files[0],
        held_out=files[1] if there else None,
        held_out_is=f"the folder {there[0]}" if there else "",
        large=True,
        facts={
            "bytes": sum(int(part.sizes.sum()) for part in parts.values()),
            "other_files_left_out": sum(part.other_files for part in parts.values()),
            "folders_not_read": there[1:],
        },
    )


def _mapped(folder: Path, part: Listing, cache: Path) -> FolderImages:
    """The same files, read from arrays on disk that workers share."""
    entry = cache / f"folder-{CACHE_VERSION}-{part.fingerprint()}"
    if store.read(entry) is None:
        arrays: store.Arrays = {
            "names": part.names,
            "offsets": part.offsets,
            "sizes": part.sizes,
            "labels": part.labels,
        }
        store.write(entry, arrays, {})
    return FolderImages(folder, entry, part.classes)


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
