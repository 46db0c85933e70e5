"""A table of image-text pairs: CSV, TSV or Parquet.

Columns: `image` (a path, relative to the table), `caption`; and where they are there `label` (the
name of a class) and `split`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scaling.data.encoded import HELD_OUT, class_names
from scaling.errors import InputError

SUFFIXES = (".csv", ".tsv", ".parquet")
NEEDED = ("image", "caption")
TRAIN = "train"


@dataclass(frozen=True)
class TablePart:
    """The rows of one split: an `Encoded` reader over their images.

    `rows`: each one's number in the table, from 1.
    """

    table: str
    paths: tuple[str, ...]
    captions: tuple[str, ...]
    labels: NDArray[np.int32]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, n: int) -> str:
        return f"{self.table} row {self.rows[n]}: {self.paths[n]}"

    def read(self, n: int) -> bytes:
        return Path(self.paths[n]).read_bytes()


@dataclass(frozen=True)
class PairTable:
    """`classes`: empty where the table has no labels. `left_out`: splits that are not read."""

    name: str
    classes: tuple[str, ...]
    train: TablePart
    held_out: TablePart | None
    left_out: tuple[str, ...]

    def parts(self) -> tuple[TablePart, ...]:
        return (self.train,) if self.held_out is None else (self.train, self.held_out)

    @cached_property
    def version(self) -> str:
        """A hash over rows and the sizes of the images' files."""
        total = hashlib.sha256("\n".join(self.classes).encode())
        for part in self.parts():
            for path, caption, label in zip(part.paths, part.captions, part.labels, strict=True):
                told = f"{Path(path).name}\t{Path(path).stat().st_size}\t{caption}\t{label}\n"
                total.update(told.encode())
        return total.hexdigest()[:16]


def read_pairs(path: Path) -> PairTable:
    """Raises InputError for a table without its columns, and for bad rows, naming the first."""
    import pandas as pd

    from scaling import parquet

    try:
        if path.suffix.lower() == ".parquet":
            found = parquet.read_frame(path)
        else:
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            found = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    columns = {str(name): found[name].fillna("").astype(str).tolist() for name in found.columns}
    _check_columns(path, list(columns))
    if not len(found):
        raise InputError(f"{path}: no rows")
    images = [str((path.parent / image).resolve()) for image in columns["image"]]
    captions = [" ".join(caption.split()) for caption in columns["caption"]]
    for n, (image, caption) in enumerate(zip(images, captions, strict=True), 1):
        if not caption:
            raise InputError(f"{path} row {n}: no caption")
        if not Path(image).is_file():
            raise InputError(f"{path} row {n}: no image {image}")
    classes: tuple[str, ...] = ()
    labels = np.zeros(len(found), np.int32)
    if "label" in columns:
        _check_labels(path, columns["label"])
        classes, labels = class_names(columns["label"])
    train, held, left_out = _splits(path, columns.get("split", [TRAIN] * len(found)))

    def part(chosen: NDArray[np.int64]) -> TablePart:
        return TablePart(
            str(path),
            tuple(images[n] for n in chosen),
            tuple(captions[n] for n in chosen),
            labels[chosen],
            chosen + 1,
        )

    return PairTable(
        str(path), classes, part(train), None if held is None else part(held), left_out
    )


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    for name in NEEDED:
        if name not in columns:
            near = get_close_matches(name, columns, 1)
            hint = f"; is {near[0]!r} it?" if near else ""
            raise InputError(f"{path}: no column {name!r}; it has {', '.join(columns)}{hint}")


def _check_labels(path: Path, labels: Sequence[str]) -> None:
    empty = [n for n, label in enumerate(labels, 1) if not label]
    if empty:
        raise InputError(f"{path} row {empty[0]}: no label ({len(empty):,} such rows)")


def _splits(
    path: Path, splits: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, tuple[str, ...]]:
    """Rows of the training split, of the one held out, and the splits that are not read."""
    for n, split in enumerate(splits, 1):
        if split not in (TRAIN, *HELD_OUT):
            raise InputError(
                f"{path} row {n}: split {split!r}; valid: {', '.join((TRAIN, *HELD_OUT))}"
            )
    there = [name for name in HELD_OUT if name in splits]
    rows = np.array(splits)
    train = np.flatnonzero(rows == TRAIN)
    if not train.size:
        raise InputError(f"{path}: no row of split {TRAIN!r}")
    held = np.flatnonzero(rows == there[0]) if there else None
    return train, held, tuple(there[1:])
