"""A trunk in one `.npz` file: its state and all that happened to it; exact, atomic, no pickle.

Files are written by a thread: training goes on while the disk works.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from scaling.errors import InputError
from scaling.train import checkpoint_sharded as sharded
from scaling.train import distributed, mesh
from scaling.train.course import Log, Reading, Rewind
from scaling.train.findings import Finding
from scaling.train.telemetry import packed, unpacked


class Stored(NamedTuple):
    """A trunk as it was at `step`, and what it cost since its last finished cell."""

    state: Any  # a tree of arrays
    step: int
    log: Log
    pays: int  # steps of the cell that the cost since then is for
    seconds: float
    steps_trained: int


class Writer:
    """Writes one checkpoint at a time, in the background; an error comes back with the next call.

    recipe: what the trunk's result depends on, kept beside it.
    """

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self.path, self.recipe = path, recipe
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def save(self, stored: Stored) -> None:
        """Copy the state to the host, and write it once the file before is written."""
        self.wait()
        arrays: dict[str, Any] = {}
        if sharded.needed(stored.state):
            sharded.save(_parts(self.path) / str(stored.step), stored.state)
        else:
            # A copy: the next chunk donates the state's buffers, which a CPU lets us see through.
            leaves = enumerate(jax.tree.leaves(stored.state))
            arrays = {f"leaf_{i}": np.array(leaf) for i, leaf in leaves}
        arrays |= _of_log(stored.log)
        facts = {k: v for k, v in stored._asdict().items() if k not in ("state", "log")}
        arrays["facts"] = np.array(json.dumps({**facts, "recipe": self.recipe}))
        if distributed.leads():
            self._writing = self._thread.submit(_write, self.path, arrays, stored.step)

    def wait(self) -> None:
        """Until what was saved lies on the disk. Raises InputError where the disk refused it."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def close(self) -> None:
        self.wait()
        self._thread.shutdown()


def load(path: Path, like: Any, recipe: Mapping[str, Any]) -> Stored | None:
    """What was saved at `path`; None where its state doesn't fit `like`.

    A checkpoint is a convenience: one that is missing, torn or of another shape only means that
    the trunk starts again. One of another recipe is no accident: InputError lists what differs.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            others = facts.pop("recipe")
            if others == recipe:
                leaves, tree = jax.tree.flatten(like)
                whole = "leaf_0" in stored
                loaded = [stored[f"leaf_{i}"] for i in range(len(leaves))] if whole else []
                log = _log_of(stored)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if others != recipe:
        raise InputError(
            f"{path}: the checkpoint of another recipe: {_differences(others, recipe)}"
        )
    if not whole:
        state = sharded.load(_parts(path) / str(facts["step"]), like)
        return None if state is None else Stored(state=state, log=log, **facts)
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(loaded, leaves, strict=True)):
        return None
    state = mesh.by_parameter(jax.tree.unflatten(tree, loaded))
    return Stored(state=state, log=log, **facts)


def remove(path: Path) -> None:
    """A checkpoint that nobody needs any more."""
    path.unlink(missing_ok=True)
    shutil.rmtree(_parts(path), ignore_errors=True)


def _parts(path: Path) -> Path:
    """Where the parts of a state lie that several processes hold, by step."""
    return path.with_suffix(".parts")


def _write(path: Path, arrays: Mapping[str, Any], step: int) -> None:
    """All of it or nothing; then the parts that it doesn't name can go."""
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        for old in _parts(path).glob("*"):
            if old.name != str(step):
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise InputError(f"{path}: cannot write: {error.strerror}; nothing was lost") from None


def _of_log(log: Log) -> dict[str, Any]:
    told = {
        "findings": [asdict(finding) for finding in log.findings],
        "rewinds": [asdict(rewind) for rewind in log.rewinds],
        "held_out": list(log.held_out.items()),
        "stopped_at": log.stopped_at,
        "lost": log.lost,
        "factor": log.factor,
        "passed": log.passed,
        "best": None if log.best is None else log.best.step,
    }
    best = {} if log.best is None else log.best.measured
    return {
        "log": np.array(json.dumps(told)),
        **{f"chunk_{name}": array for name, array in packed(log.chunks).items()},
        **{f"best_{name}": array for name, array in best.items()},
    }


def _log_of(stored: Mapping[str, Any]) -> Log:
    def named(prefix: str) -> dict[str, Any]:
        return {k.removeprefix(prefix): stored[k] for k in stored if k.startswith(prefix)}

    told = json.loads(str(stored["log"]))
    best = told.pop("best")
    return Log(
        chunks=unpacked(named("chunk_")),
        findings=[Finding(**finding) for finding in told.pop("findings")],
        rewinds=[Rewind(**rewind) for rewind in told.pop("rewinds")],
        held_out={int(step): loss for step, loss in told.pop("held_out")},
        best=None if best is None else Reading(best, named("best_")),
        **told,
    )


def _differences(others: Mapping[str, Any], ours: Mapping[str, Any], at: str = "") -> str:
    """`key: theirs, not ours`, of every key that differs, inside tables too."""
    told = []
    for key in sorted({*others, *ours}):
        theirs, mine = others.get(key), ours.get(key)
        if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
            if theirs != mine:
                told.append(_differences(theirs, mine, f"{at}{key}."))
        elif theirs != mine:
            told.append(f"{at}{key} is {theirs}, not {mine}")
    return "; ".join(told)
