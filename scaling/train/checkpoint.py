"""A trunk's state in one `.npz` file: exact, atomic, without pickle."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np


def save(path: Path, state: Any, step: int, curve: np.ndarray[Any, Any], seconds: float) -> None:
    """Write `state` (a tree of arrays), its step and its curve so far, all or nothing."""
    leaves: dict[str, Any] = {
        f"leaf_{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(state))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as file:
        np.savez(file, **leaves, step=step, curve=curve, seconds=seconds)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path, like: Any) -> tuple[Any, int, np.ndarray[Any, Any], float] | None:
    """The state, step, curve and seconds saved at `path`; None where it doesn't fit `like`.

    A checkpoint is a convenience: one that is missing, torn or of another shape only means
    that the trunk starts again.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            leaves, tree = jax.tree.flatten(like)
            loaded = [stored[f"leaf_{i}"] for i in range(len(leaves))]
            step, curve, seconds = int(stored["step"]), stored["curve"], float(stored["seconds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(loaded, leaves, strict=True)):
        return None
    return jax.tree.unflatten(tree, [jax.numpy.asarray(a) for a in loaded]), step, curve, seconds
