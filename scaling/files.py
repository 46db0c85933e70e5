"""Files on this machine or behind a URL: each is whole or not there, whoever writes, whoever dies.

Locally a file is written beside its place and renamed onto it; elsewhere it is one put. What a disk
or a store refuses is one InputError. Where files lie is `scaling.places`'s, and is had from here.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scaling.places import folder as folder
from scaling.places import in_memory as in_memory
from scaling.places import is_local as is_local
from scaling.places import masked as masked
from scaling.places import telling

if TYPE_CHECKING:
    from upath import UPath

    from scaling.places import Place as Place

TEMPORARY = ".tmp"
# os.link says so where the file system has no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_HOST = re.sub(r"[^\w-]", "_", socket.gethostname())
# What file systems call the time of writing.
_WRITTEN = ("LastModified", "mtime", "updated", "created")
_numbers = count()


def read(path: Place) -> bytes:
    """Raises FileNotFoundError where there is no such file, InputError where it can't be read."""
    with reading(path) as file:
        return file.read()


@contextmanager
def reading(path: Place) -> Iterator[IO[bytes]]:
    """A file open for reading; of a store's, all of it in memory."""
    with telling(path, "read", FileNotFoundError):
        file = path.open("rb") if isinstance(path, Path) else io.BytesIO(_whole(path))
    with file:
        yield file


def write(path: Place, data: bytes, *, durable: bool = True) -> None:
    """Write a file all or nothing, over what was there; folders are made as needed.

    durable: it is on the disk when this returns, and outlives the machine's power.
    """
    with writing(path, durable=durable) as file:
        file.write(data)


@contextmanager
def writing(path: Place, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into, which takes its place when the block ends well, and never half."""
    if isinstance(path, Path):
        with telling(path, "write"), _beside(path) as partial:
            with partial.open("wb") as file:
                yield file
                _flush(file, durable)
            partial.replace(path)
    else:
        whole = io.BytesIO()
        yield whole
        with telling(path, "write"):
            path.fs.pipe_file(path.path, whole.getvalue())


def create(path: Place, data: bytes, *, durable: bool = True) -> bool:
    """Write a file unless there is one; of several writers one is told True. durable: as above.

    Atomic on local and network file systems, in memory, and on S3 and Google Cloud Storage
    (a conditional put). Stores that don't know it look first and then write: of two writers at the
    very same moment both may be told True.
    """
    if isinstance(path, Path):
        with telling(path, "write"), _beside(path) as partial:
            with partial.open("wb") as file:
                file.write(data)
                _flush(file, durable)
            return _linked(partial, path, data)
    try:
        with telling(path, "write", FileExistsError):
            path.fs.pipe_file(path.path, data, mode="create")
    except FileExistsError:
        return False
    return True


def _flush(file: IO[bytes], durable: bool) -> None:
    file.flush()
    if durable:
        os.fsync(file.fileno())


def remove(path: Place) -> None:
    """Remove a file, or nothing where there is none."""
    with suppress(FileNotFoundError), telling(path, "remove", FileNotFoundError):
        if isinstance(path, Path):
            path.unlink()
        else:
            path.fs.rm_file(path.path)


def remove_folder(path: Place) -> None:
    """Remove a folder and all in it, or nothing where there is none."""
    with suppress(FileNotFoundError), telling(path, "remove", FileNotFoundError):
        if isinstance(path, Path):
            shutil.rmtree(path)
        else:
            path.fs.rm(path.path, recursive=True)


def move(path: Place, to: Place) -> bool:
    """Move a file or folder; False where it is no longer there. A store copies, then removes."""
    try:
        with telling(path, "move", FileNotFoundError):
            if isinstance(path, Path):
                to.parent.mkdir(parents=True, exist_ok=True)
                path.rename(str(to))
                return True
            assert not isinstance(to, Path)  # both lie in one store
            there = path.fs.find(path.path)
            for name in there:
                path.fs.cp_file(name, to.path + name.removeprefix(path.path))
            for name in there:
                path.fs.rm_file(name)
            return bool(there)
    except FileNotFoundError:
        return False


def exists(path: Place) -> bool:
    """Whether there is such a file or folder; InputError where that can't be told."""
    with telling(path, "read"):
        return path.exists()


def is_folder(path: Place) -> bool:
    with telling(path, "read"):
        return path.is_dir()


def size(path: Place) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is neither."""
    with suppress(FileNotFoundError), telling(path, "read", FileNotFoundError):
        if isinstance(path, Path):
            below = path.rglob("*") if path.is_dir() else [path]
            return sum(file.stat().st_size for file in below if file.is_file())
        return int(path.fs.du(path.path))
    return 0


def names(path: Place) -> list[str]:
    """The names of what lies in a folder, sorted; none where there is no folder. Temporaries that
    are being written are left out."""
    try:
        with telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                found = os.listdir(path)  # noqa: PTH208  # a tenth of the time of Path.iterdir
            else:
                listed = (name.rstrip("/") for name in path.fs.ls(path.path, detail=False))
                # Consoles of stores make "folders" that are empty files of the folder's own name.
                own = path.path.rstrip("/")
                found = [name.rpartition("/")[2] for name in listed if name != own]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if not name.endswith(TEMPORARY))


def stamp(path: Place) -> str | None:
    """What changes when a file is written anew: its size and time, or a store's own tag; None where
    there is no file."""
    try:
        with telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                return stamp_of(os.stat(path))  # noqa: PTH116  # on the way of 100,000 cells
            return stamp_of(path.fs.info(path.path))
    except FileNotFoundError:
        return None


def stamps(path: Place) -> dict[str, str]:
    """The stamps of the files that lie in a folder, by name, in one look; none where there is no
    folder."""
    try:
        with telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                with os.scandir(path) as entries:
                    return {one.name: stamp_of(one.stat()) for one in entries if one.is_file()}
            listed = path.fs.ls(path.path, detail=True)
    except FileNotFoundError:
        return {}
    there = (facts for facts in listed if facts["type"] == "file")
    return {facts["name"].rpartition("/")[2]: stamp_of(facts) for facts in there}


def age(path: Place) -> float | None:
    """Seconds since a file was written, by this machine's clock and the file system's; None where
    there is no file, or the store doesn't say."""
    try:
        with telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                return time.time() - path.stat().st_mtime
            facts = path.fs.info(path.path)
    except FileNotFoundError:
        return None
    when = next((facts[name] for name in _WRITTEN if facts.get(name)), None)
    return (datetime.now(UTC) - when).total_seconds() if isinstance(when, datetime) else None


def stamp_of(facts: os.stat_result | dict[str, Any]) -> str:
    """The stamp, from what the system or the store says of a file."""
    if isinstance(facts, os.stat_result):
        return f"{facts.st_size}:{facts.st_mtime_ns}"
    tags = ("ETag", "etag", "md5Hash", "content_md5", "generation", "mtime", "updated", "created")
    tag = next((facts[name] for name in tags if facts.get(name)), "")
    return f"{facts['size']}:{tag}"


def temporary(name: str) -> str:
    """A name that is nobody else's, beside a file's own; it says who left it where it stays."""
    return f"{name}.{_HOST}.{os.getpid()}.{next(_numbers)}{TEMPORARY}"


def left_over(path: Place) -> list[Path]:
    """Temporaries below a folder whose writers are gone: processes of this machine that don't live.

    Those of other machines may be being written; a store has none, since it puts files whole.
    """
    if not isinstance(path, Path):
        return []
    return [partial for partial in path.rglob(f"*{TEMPORARY}") if _dead(partial.name)]


def _dead(name: str) -> bool:
    parts = name.split(".")
    if len(parts) < 5 or parts[-4] != _HOST or not parts[-3].isdecimal():
        return False
    try:
        os.kill(int(parts[-3]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Where a file is written before it takes its place: named after who writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(temporary(path.name))
    try:
        yield partial
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _linked(partial: Path, path: Path, data: bytes) -> bool:
    """Give a whole file its name unless that is taken."""
    try:
        os.link(partial, path)
    except FileExistsError:
        # A network file system whose answer was lost tries again, and finds its own file.
        return partial.samefile(path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
    return True


def _whole(path: UPath) -> bytes:
    return bytes(path.fs.cat_file(path.path))
