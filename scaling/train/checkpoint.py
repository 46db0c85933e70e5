"""A trunk's state in one `.npz` file: exact, atomic, without pickle."""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from scaling.errors import InputError


class Stored(NamedTuple):
    """A trunk as it was at a branch point; what led there since the last finished cell."""

    state: Any  # a tree of arrays
    step: int
    curve: np.ndarray[Any, Any]
    seconds: float
    steps_trained: int


def save(path: Path, stored: Stored) -> None:
    """Write all of it or nothing. Raises InputError where the disk refuses it."""
    leaves: dict[str, Any] = {
        f"leaf_{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(stored.state))
    }
    facts = {k: v for k, v in stored._asdict().items() if k != "state"}
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, **leaves, **facts)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise InputError(f"{path}: cannot write: {error.strerror}; nothing was lost") from None


def load(path: Path, like: Any) -> Stored | None:
    """What was saved at `path`; None where its state doesn't fit `like`.

    A checkpoint is a convenience: one that is missing, torn or of another shape only means
    that the trunk starts again.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            leaves, tree = jax.tree.flatten(like)
            loaded = [stored[f"leaf_{i}"] for i in range(len(leaves))]
            step, seconds = int(stored["step"]), float(stored["seconds"])
            curve, steps_trained = stored["curve"], int(stored["steps_trained"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(loaded, leaves, strict=True)):
        return None
    state = jax.tree.unflatten(tree, [jax.numpy.asarray(a) for a in loaded])
    return Stored(state, step, curve, seconds, steps_trained)
