"""A trunk, or a branch that cools down, in one `.npz` file: its state and all that happened to it;
exact, atomic, with a checksum, no pickle.

Files are written by a thread: training goes on while the disk works. A branch's file lies beside
its trunk's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from scaling import files
from scaling.errors import InputError
from scaling.train import checkpoint_sharded as sharded
from scaling.train import distributed, mesh
from scaling.train.findings import Finding
from scaling.train.log import Log, Reading, Rewind
from scaling.train.telemetry import packed, unpacked

if TYPE_CHECKING:
    from scaling.files import Place

DIGITS, BLOCK = 64, 1 << 20  # of a file's checksum; bytes that are read at once


class Stored(NamedTuple):
    """A trunk or branch as it was at `step`, and what it cost since its last finished cell."""

    state: Any  # a tree of arrays
    step: int
    log: Log
    pays: int  # steps of the cell that the cost since then is for
    seconds: float
    steps_trained: int
    started_at: str = ""
    good: tuple[int, Any] | None = None  # the last good snapshot, its step first
    # Of a trunk: the readings, by step, that cells stand for which were stopped early; and their
    # length.
    stopped_with: Mapping[int, int] = {}


class DamagedError(Exception):
    """A checkpoint that is not what was written; the message says why."""


class Writer:
    """Writes one checkpoint at a time, in the background; an error comes back with the next call.

    recipe: what the trunk's result depends on, kept beside it.
    """

    def __init__(self, path: Place, recipe: Mapping[str, Any]) -> None:
        self.path, self.recipe = path, recipe
        if distributed.joined():
            sharded.prepare()
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def save(self, stored: Stored, *, branch: bool = False) -> None:
        """Copy the state to the host, and write it once the file before is written."""
        self.wait()
        path = of_branch(self.path) if branch else self.path
        facts = stored._asdict() | {"recipe": self.recipe}
        state, arrays = facts.pop("state"), _of_log(facts.pop("log"))
        if stored.good is not None:
            state, facts["good"] = (state, stored.good[1]), stored.good[0]
        if sharded.needed(state):
            if not isinstance(path, Path):
                raise InputError(
                    f"{path}: what several processes train together is kept in a folder that all "
                    "of them share; give one with --out"
                )
            parts = _parts(path) / str(stored.step)
            sharded.save(parts, state)
            facts["parts_sha256"] = sharded.digest(parts) if distributed.leads() else ""
        else:
            # A copy: the next chunk donates the state's buffers, which a CPU lets us see through.
            arrays |= {f"leaf_{i}": np.array(x) for i, x in enumerate(jax.tree.leaves(state))}
        arrays["facts"] = np.array(json.dumps(facts))
        if distributed.leads():
            self._thread = self._thread or ThreadPoolExecutor(1, "checkpoint")
            self._writing = self._thread.submit(_write, path, arrays, stored.step)

    def wait(self) -> None:
        """Until what was saved lies on the disk. Raises InputError where the disk refused it."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def drop_branch(self) -> None:
        """The branch's file, if there is one: its cell is finished."""
        self.wait()
        if distributed.leads():
            _drop(of_branch(self.path))

    def close(self) -> None:
        self.wait()
        if self._thread is not None:
            self._thread.shutdown()


def of_branch(path: Place) -> Place:
    """Where the branch lies that left the trunk of `path`."""
    return path.with_suffix(f".branch{path.suffix}")


def load(path: Place, like: Any, recipe: Mapping[str, Any]) -> Stored | None:
    """What was saved at `path`, if anything was; every process of a run calls it.

    Raises DamagedError for a file that is torn, garbage or of another shape, and InputError, with
    what differs, for one of another recipe.
    """
    arrays, damage = _read(path) if distributed.leads() else ({}, "")
    facts = _facts(arrays)
    if facts.get("parts_sha256") and isinstance(path, Path):
        parts = _parts(path) / str(facts["step"])
        damage = "" if sharded.digest(parts) == facts["parts_sha256"] else f"not as saved: {parts}"
    # Processes that went on from different steps would wait for each other for ever.
    mine = np.array([-2 if damage else facts.get("step", -1)], np.int32)
    (at,) = distributed.as_process_0(mine)
    if at >= 0 and not arrays:
        arrays, damage = _read(path)
        facts = _facts(arrays)
    same = distributed.gathered(np.array([at == facts.get("step", -1)], np.int32)).all()
    if at == -2 or not same:
        raise DamagedError(damage or "not the same for all processes")
    if not arrays:
        return None
    if (others := facts.pop("recipe")) != recipe:
        raise InputError(
            f"{path}: the checkpoint of another recipe: {_differences(others, recipe)}"
        )
    return _stored(path, arrays, facts, like)


def remove(path: Place) -> None:
    """Checkpoints of a trunk and its branch that nobody needs any more."""
    _drop(path)
    _drop(of_branch(path))


def set_aside(path: Place, why: str) -> None:
    """Rename a damaged checkpoint, with a warning: what it was of is trained again."""
    aside = path.with_name(f"{path.name}.damaged")
    files.move(path, aside)
    warnings.warn(f"{path}: damaged ({why}); kept as {aside.name}, and trained again", stacklevel=2)


def _stored(path: Place, arrays: Mapping[str, Any], facts: dict[str, Any], like: Any) -> Stored:
    good = facts.pop("good")
    wanted = like if good is None else (like, like)
    if facts.pop("parts_sha256", None) is None or not isinstance(path, Path):
        leaves, tree = jax.tree.flatten(wanted)
        found = [arrays[name] for name in arrays if name.startswith("leaf_")]
        if [(x.shape, x.dtype) for x in found] != [(x.shape, x.dtype) for x in leaves]:
            raise DamagedError("a state of another shape")
        state = mesh.by_parameter(jax.tree.unflatten(tree, found))
    else:
        state = sharded.load(_parts(path) / str(facts["step"]), wanted)
        if state is None:
            raise DamagedError("a state of another shape")
    snapshot = None
    if good is not None:
        state, snapshot = state[0], (good, state[1])
    facts["stopped_with"] = {int(step): steps for step, steps in facts["stopped_with"].items()}
    return Stored(state=state, log=_log_of(arrays), good=snapshot, **facts)


def _drop(path: Place) -> None:
    files.remove(path)
    if isinstance(path, Path):
        files.remove_folder(_parts(path))


def _parts(path: Path) -> Path:
    """Where the parts of a state lie that several processes hold, by step."""
    return path.with_suffix(".parts")


def _facts(arrays: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(str(arrays["facts"])) if arrays else {}
    return facts


def _read(path: Place) -> tuple[dict[str, Any], str]:
    """The arrays of a file, none where it is missing; and what is wrong with it."""
    try:
        with files.reading(path) as file:
            # Nothing of it is interpreted before it has been found whole.
            if not _whole(file):
                return {}, "torn or garbage: its checksum is not that of its contents"
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored), ""
    except FileNotFoundError:
        return {}, ""


def _whole(file: IO[bytes]) -> bool:
    """Whether the file ends in the checksum of all before it; it is left at its beginning."""
    left, digest = file.seek(0, os.SEEK_END) - DIGITS, hashlib.sha256()
    file.seek(0)
    while left > 0 and (block := file.read(min(left, BLOCK))):
        digest.update(block)
        left -= len(block)
    whole = left == 0 and file.read() == digest.hexdigest().encode()
    file.seek(0)
    return whole


def _write(path: Place, arrays: Mapping[str, Any], step: int) -> None:
    """All of it or nothing; then the parts that it doesn't name can go."""
    with files.writing(path) as file:
        summed = _Summed(file)
        # As `numpy.savez` does, which writes to no such file.
        with zipfile.ZipFile(summed, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
        file.write(summed.digest.hexdigest().encode())
    if isinstance(path, Path):
        for old in _parts(path).glob("*"):
            if old.name != str(step):
                files.remove_folder(old)


class _Summed(io.RawIOBase):
    """A file that is written from its beginning to its end, and the checksum of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.file.write(data)


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
