"""Hugging Face data sets: `hub:NAME`, `hub:NAME:CONFIG`, or one saved to a folder (extra `hub`).

The library downloads a data set into its own cache and maps it from there; nothing is held in
memory, and nothing is decoded before it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data.encoded import HELD_OUT, EncodedSource
from scaling.data.extras import needed
from scaling.errors import InputError


class HubRows:
    """The images of one split, by row; `labels` as the data set numbers them."""

    def __init__(self, rows: Any, column: str, labels: NDArray[np.int32], name: str) -> None:
        self._rows, self._column, self._name = rows, column, name
        self.labels = labels

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, n: int) -> str:
        return f"{self._name} row {n}"

    def read(self, n: int) -> bytes:
        """The image as it is stored; empty, which no decoder takes, where its file is missing."""
        stored = self._rows[n][self._column] or {}
        try:
            return stored.get("bytes") or Path(stored.get("path") or "").read_bytes()
        except OSError:
            return b""

    def digests(self) -> Iterator[bytes]:
        """What stands for each image: its row, label and stored size. No image is read."""
        import pyarrow.compute as pc

        n = 0
        for table in self._rows.with_format("arrow").iter(batch_size=1000):
            images = table.column(self._column).combine_chunks()
            sizes = pc.binary_length(images.field("bytes")).to_pylist()
            for size, path in zip(sizes, images.field("path").to_pylist(), strict=True):
                told = size if size is not None else path
                yield f"{n} {self.labels[n]} {told}".encode()
                n += 1


def find(source: str) -> EncodedSource:
    """The data set that follows `hub:`.

    Raises InputError where the extra is missing, the data set cannot be had, has no training split,
    or no columns of images and labels.
    """
    name, _, config = source.partition(":")
    splits = _load(name, config or None)
    if "train" not in splits:
        raise InputError(f"hub:{source}: no split 'train'; it has {', '.join(splits)}")
    other = next((split for split in HELD_OUT if split in splits), None)
    image, label = _columns(source, splits["train"])
    classes = _classes(splits["train"], label)
    parts = {
        split: _rows(splits[split], image, label, classes, f"hub:{source} {split}")
        for split in ("train", other)
        if split is not None
    }
    total = hashlib.sha256("\n".join(classes).encode())
    for part in parts.values():
        for digest in part.digests():
            total.update(digest + b"\n")
    train = parts["train"]
    return EncodedSource(
        name=f"hub:{source}",
        licence=splits["train"].info.license or "not stated",
        version=total.hexdigest()[:16],
        classes=classes,
        train=train,
        held_out=parts[other] if other is not None else None,
        digests=train.digests,
    )


def _load(name: str, config: str | None) -> dict[str, Any]:
    datasets = needed("datasets", f"hub:{name} needs the library datasets", "hub")
    folder = Path(name).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(name, config)
    # Whatever is wrong with a name, a configuration or the network, the library says it; it has no
    # common base class of errors.
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"hub:{name}: cannot be loaded: {reason}") from None
    return dict(found) if isinstance(found, datasets.DatasetDict) else {"train": found}


def _columns(source: str, rows: Any) -> tuple[str, str]:
    """The first column of images, and that of labels: of a class type, or called so."""
    kinds = {name: type(feature).__name__ for name, feature in rows.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    labels += [name for name in ("label", "labels", "class") if name in kinds]
    if images and labels:
        return images[0], labels[0]
    missing = "labels (a ClassLabel, or called 'label')" if images else "images (of type Image)"
    told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    raise InputError(f"hub:{source}: no column of {missing}; it has {told}")


def _classes(rows: Any, label: str) -> tuple[str, ...]:
    """As the data set names them; else all labels of the training split, sorted."""
    if names := getattr(rows.features[label], "names", None):
        return tuple(names)
    values = rows.select_columns([label]).with_format("arrow")[:].column(label).to_pylist()
    if all(isinstance(value, int) for value in values):
        return tuple(map(str, range(max(values, default=-1) + 1)))
    return tuple(sorted({str(value) for value in values}))


def _rows(rows: Any, image: str, label: str, classes: tuple[str, ...], name: str) -> HubRows:
    import datasets

    values = rows.select_columns([label]).with_format("arrow")[:].column(label).to_pylist()
    number = {name: n for n, name in enumerate(classes)}
    # A missing label, or one that the training split has not, is out of range.
    labels = [v if isinstance(v, int) else number.get(str(v), -1) for v in values]
    stored = rows.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    return HubRows(stored, image, np.array(labels, np.int32), name)
