"""WebDataset shards (extra `hub`): `webdataset:TRAIN.tar`, or `webdataset:TRAIN.tar|HELD_OUT.tar`.

Either side may have braces and globs: `train-{0000..0146}.tar`, `val-*.tar`. A shard is indexed
once, then images are read where they lie: they can be shuffled whole and resumed anywhere.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data.encoded import EncodedSource, class_names
from scaling.data.extras import needed
from scaling.errors import InputError

CACHE_VERSION = 1
IMAGES = ("jpg", "jpeg", "png", "webp")
LABELS = ("cls", "json", "txt")
# Where an image lies: its shard's number, its first byte and its size.
PLACE = ("shard", "begin", "size")
# Bytes of a shard that its version hangs on.
BEGINNING = 2**16
# What a label is called in a sample's JSON.
FIELDS = ("label", "cls", "class")


class ShardImages:
    """Images by number: the shard each lies in, where, and how long it is."""

    def __init__(self, shards: tuple[str, ...], index: store.Arrays) -> None:
        self._shards, self._shard = shards, index["shard"]
        self._begin, self._size = index["begin"], index["size"]
        self.labels: NDArray[np.int32] = index["labels"]

    def __len__(self) -> int:
        return len(self._begin)

    def name(self, n: int) -> str:
        return f"{self._shards[self._shard[n]]} byte {self._begin[n]}"

    def read(self, n: int) -> bytes:
        file = _open(self._shards[self._shard[n]])
        return os.pread(file, int(self._size[n]), int(self._begin[n]))

    def digests(self) -> Iterator[bytes]:
        """What stands for each image: its shard's name, its place and size."""
        for shard, begin, size in zip(self._shard, self._begin, self._size, strict=True):
            yield f"{Path(self._shards[shard]).name} {begin} {size}".encode()


@cache
def _open(shard: str) -> int:
    # Open for as long as the process: each shard is read from again and again.
    return os.open(shard, os.O_RDONLY)


def find(source: str, cache: Path) -> EncodedSource:
    """The shards that follow `webdataset:`.

    Raises InputError where the extra is missing, a pattern matches nothing, a shard is no plain
    tar file, and a sample has no label.
    """
    patterns = source.split("|")
    if len(patterns) > 2:
        raise InputError(f"webdataset:{source}: more than one '|'; valid: TRAIN or TRAIN|HELD_OUT")
    shards = [_shards(pattern) for pattern in patterns]
    version = _version(shards)
    entry = cache / f"shards-{version[:32]}"
    found = store.read(entry)
    if found is None:
        store.write(entry, *_index(shards))
        found = store.read(entry)
    if found is None:
        raise InputError(f"{entry}: the data cache cannot be read back; delete the folder")
    arrays, facts = found
    parts = [
        ShardImages(
            part, {name: arrays[f"{name}_{n}"] for name in ("shard", "begin", "size", "labels")}
        )
        for n, part in enumerate(shards)
    ]
    return EncodedSource(
        name=f"webdataset:{source}",
        licence="not stated",
        version=version[:16],
        classes=tuple(facts["classes"]),
        train=parts[0],
        held_out=parts[1] if len(parts) == 2 else None,
        digests=parts[0].digests,
    )


def _version(parts: Sequence[Sequence[str]]) -> str:
    """A hash over each shard's name, size and beginning; to read them whole would take too long."""
    total = hashlib.sha256(f"{CACHE_VERSION} {[len(part) for part in parts]}".encode())
    for shard in (Path(shard) for part in parts for shard in part):
        with shard.open("rb") as file:
            total.update(f"{shard.name} {shard.stat().st_size}".encode() + file.read(BEGINNING))
    return total.hexdigest()


def _shards(pattern: str) -> tuple[str, ...]:
    # The expansion that the library webdataset uses.
    what = f"webdataset:{pattern} needs the library webdataset"
    braceexpand = needed("braceexpand", what, "hub").braceexpand
    if "://" in pattern or pattern.startswith("pipe:"):
        raise InputError(
            f"webdataset:{pattern}: images are read in any order, so shards must be files on this "
            "machine; download them first"
        )
    found: list[str] = []
    for one in braceexpand(str(Path(pattern).expanduser())):
        # Not `Path.glob`: that knows no absolute patterns.
        matched = sorted(glob.glob(one))  # noqa: PTH207
        if not matched:
            raise InputError(f"webdataset:{pattern}: {one} matches no file")
        found += matched
    return tuple(found)


def _index(parts: list[tuple[str, ...]]) -> tuple[store.Arrays, dict[str, Any]]:
    """Where every image of every part lies, and the classes of all labels together."""
    found = [
        [sample for n, shard in enumerate(part) for sample in _samples(n, shard)] for part in parts
    ]
    labels = [sample[3] for samples in found for sample in samples]
    if all(label.lstrip("-").isdecimal() for label in labels):
        numbers = np.array(labels, np.int32)
        classes = tuple(map(str, range(int(numbers.max(initial=-1)) + 1)))
    else:
        classes, numbers = class_names(labels)
    arrays: store.Arrays = {}
    begun = 0
    for n, samples in enumerate(found):
        table = np.array([sample[:3] for sample in samples], np.int64).reshape(-1, 3)
        for column, name in enumerate(PLACE):
            arrays[f"{name}_{n}"] = np.ascontiguousarray(table[:, column])
        arrays[f"labels_{n}"] = numbers[begun : begun + len(samples)]
        begun += len(samples)
    return arrays, {"classes": list(classes)}


def _samples(number: int, shard: str) -> Iterator[tuple[int, int, int, str]]:
    """Shard, begin, size and label of each sample: the files that share a name up to a dot."""
    key, image, label = "", None, None
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, file = member.name.rpartition("/")
                stem, _, extension = file.partition(".")
                if key != f"{folder}/{stem}":
                    if image is not None:
                        yield number, *image, _told(label, key, shard)
                    key, image, label = f"{folder}/{stem}", None, None
                extension = extension.lower()
                if extension in IMAGES:
                    image = (member.offset_data, member.size)
                elif extension in LABELS and label is None:
                    contents = tar.extractfile(member)
                    label = _label(extension, contents.read() if contents else b"", key, shard)
            if image is not None:
                yield number, *image, _told(label, key, shard)
    except (tarfile.TarError, OSError) as error:
        raise InputError(
            f"{shard}: not a whole, uncompressed tar file ({error}); compressed shards cannot be "
            "read in any order"
        ) from None


def _told(label: str | None, key: str, shard: str) -> str:
    if label is None:
        raise InputError(
            f"{shard}: sample {key.lstrip('/')!r} has no label; valid: a file .cls, .txt, or .json "
            f"with one of {', '.join(FIELDS)}"
        )
    return label


def _label(extension: str, contents: bytes, key: str, shard: str) -> str | None:
    try:
        text = contents.decode("utf-8").strip()
        if extension != "json":
            return text
        fields = json.loads(text)
        return next((str(fields[name]) for name in FIELDS if name in fields), None)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{shard}: sample {key.lstrip('/')!r}: its .{extension} is bad: {error}"
        ) from None
