"""A folder of arrays and facts on disk, whole or not there at all.

An entry is written beside its place and renamed into it, so a killed or second process never
leaves half of one; what was damaged later is found by checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

Arrays = dict[str, NDArray[Any]]


def cache_folder() -> Path:
    """`$SCALING_CACHE`, or `scaling` in the user's cache folder."""
    if own := os.environ.get("SCALING_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"


def read(folder: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """Arrays (memory-mapped, read only) and facts; None where they are missing or not whole."""
    try:
        entry = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in entry["sha256"]
        }
        whole = all(_sha256(array) == entry["sha256"][name] for name, array in arrays.items())
        return (arrays, entry["facts"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Put an entry in its place, unless another process was first. Facts are JSON.

    Raises InputError where the folder cannot be written (a full disk, a read-only home).
    """
    entry = {"facts": facts, "sha256": {name: _sha256(array) for name, array in arrays.items()}}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix="partial-", ignore_cleanup_errors=True
        ) as workshop:
            partial = Path(workshop, "new")
            partial.mkdir()
            for name, array in arrays.items():
                np.save(partial / f"{name}.npy", array, allow_pickle=False)
            (partial / "entry.json").write_text(json.dumps(entry, indent=1), encoding="utf-8")
            _place(partial, folder, Path(workshop, "old"))
    except OSError as error:
        raise InputError(
            f"{folder}: the data cache cannot be written: {error.strerror}; "
            "$SCALING_CACHE names another folder"
        ) from None


def _place(partial: Path, folder: Path, aside: Path) -> None:
    # An entry that is whole was made by another process and holds the same; a damaged one is
    # moved away first, because a folder can only be renamed onto an empty one.
    if folder.exists() and read(folder) is None:
        shutil.move(folder, aside)
    try:
        partial.replace(folder)
    except OSError:
        if read(folder) is None:
            raise


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
