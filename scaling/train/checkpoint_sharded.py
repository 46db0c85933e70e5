"""The state of a trunk that several processes hold together: each writes and reads its own part.

Orbax lays the parts into one folder, from which any mesh reads, of another number of devices too.
All processes call `save` and `load`, and see the same file system.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jax


def needed(state: Any) -> bool:
    """Whether this process lacks parts of the state."""
    arrays = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
    return not all(array.is_fully_addressable for array in arrays)


def prepare() -> None:
    """Load what `save` needs: two seconds that a process which is asked to stop may not have."""
    import orbax.checkpoint  # noqa: F401 - for its effect


def save(folder: Path, state: Any) -> None:
    """Write it, over what was there; once this returns, all of it lies there."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.absolute(), _named(state), force=True)


def load(folder: Path, like: Any) -> Any | None:
    """What `save` wrote, laid out as `like` is; None where it is missing or of another shape."""
    if not folder.is_dir():
        return None
    wanted = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
        for name, leaf in _named(like).items()
    }
    with _checkpointer() as checkpointer:
        there = checkpointer.metadata(folder.absolute()).item_metadata.tree
        if _kinds(there) != _kinds(wanted):
            return None
        found = checkpointer.restore(folder.absolute(), wanted)
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in wanted])


def digest(folder: Path) -> str:
    """Of all that lies there: names and contents."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size};".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _named(state: Any) -> dict[str, Any]:
    """The leaves by their number: what the tree looks like is the program's affair."""
    return {f"leaf_{i}": leaf for i, leaf in enumerate(jax.tree.leaves(state))}


def _kinds(named: dict[str, Any]) -> dict[str, Any]:
    return {name: (tuple(leaf.shape), jax.numpy.dtype(leaf.dtype)) for name, leaf in named.items()}


def _checkpointer() -> Any:
    import orbax.checkpoint

    return orbax.checkpoint.StandardCheckpointer()
