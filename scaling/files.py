"""Files on this machine or behind a URL: each is whole or not there, whoever writes, whoever dies.

A folder is a `pathlib.Path`, or, behind a URL that fsspec knows (s3://, gs://, memory://), a
`UPath`; both are joined by `/`. Locally a file is written beside its place and renamed onto it;
elsewhere it is one put. Credentials come from the environment, never from a URL. What a disk or a
store refuses is one InputError, without credentials in it.
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
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from scaling.errors import InputError

if TYPE_CHECKING:
    from upath import UPath

    Place: TypeAlias = Path | UPath

# The extra of this package that brings a protocol's filesystem.
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
TEMPORARY = ".tmp"
# os.link says so where the file system has no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_HOST = re.sub(r"[^\w-]", "_", socket.gethostname())
# What file systems call the time of writing.
_WRITTEN = ("LastModified", "mtime", "updated", "created")
_numbers = count()


def folder(text: str | Place) -> Place:
    """A local path, or the folder behind a URL. Raises InputError for a URL that holds credentials,
    is of no known protocol, or whose extra is not installed (naming it)."""
    if not isinstance(text, str):
        return text
    if "://" not in text:
        return Path(text)
    protocol, _, rest = text.partition("://")
    if protocol in ("file", "local"):
        return Path(rest)
    if "::" in text:
        raise InputError(f"{masked(text)}: chained URLs are not taken; give the folder's own URL")
    if masked(text) != text:
        raise InputError(
            f"{masked(text)}: a URL must hold no credentials and no query, since it is shown and "
            "stored; give them by the environment, as the store's own tools read them"
        )
    try:
        from fsspec import available_protocols, get_filesystem_class

        if protocol not in available_protocols():
            raise InputError(
                f"{text}: no file system called {protocol!r}; known are s3, gs, memory and what "
                "else fsspec knows"
            )
        get_filesystem_class(protocol)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        needed = f"pip install 'scaling-laws[{extra}]'" if extra else str(error)
        raise InputError(f"{text}: {protocol}:// needs a package more: {needed}") from None
    from upath import UPath

    # Listings that are kept would hide what other machines wrote since.
    return UPath(text.rstrip("/"), use_listings_cache=False)


def is_local(path: Place) -> bool:
    return isinstance(path, Path)


def in_memory(path: Place) -> bool:
    """Whether it is this process's own, so that no other can see it."""
    return not isinstance(path, Path) and path.protocol == "memory"


def masked(text: str) -> str:
    """A URL without user, password and query."""
    text = re.sub(r"(?<=://)[^/@]*@", "***@", text)
    return re.sub(r"(?<=.)\?.*", "?***", text) if "://" in text else text


def read(path: Place) -> bytes:
    """Raises FileNotFoundError where there is no such file, InputError where it can't be read."""
    with reading(path) as file:
        return file.read()


@contextmanager
def reading(path: Place) -> Iterator[IO[bytes]]:
    """A file open for reading; of a store's, all of it in memory."""
    with _telling(path, "read", FileNotFoundError):
        file = path.open("rb") if isinstance(path, Path) else io.BytesIO(_whole(path))
    with file:
        yield file


def write(path: Place, data: bytes) -> None:
    """Write a file all or nothing, over what was there; folders are made as needed."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: Place) -> Iterator[IO[bytes]]:
    """A file to write into, which takes its place when the block ends well, and never half."""
    if isinstance(path, Path):
        with _telling(path, "write"), _beside(path) as partial:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    else:
        whole = io.BytesIO()
        yield whole
        with _telling(path, "write"):
            path.fs.pipe_file(path.path, whole.getvalue())


def create(path: Place, data: bytes) -> bool:
    """Write a file unless there is one; of several writers one is told True.

    Atomic on local and network file systems, in memory, and on S3 and Google Cloud Storage
    (a conditional put). Stores that don't know it look first and then write: of two writers at the
    very same moment both may be told True.
    """
    if isinstance(path, Path):
        with _telling(path, "write"), _beside(path) as partial:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            return _linked(partial, path, data)
    try:
        with _telling(path, "write", FileExistsError):
            path.fs.pipe_file(path.path, data, mode="create")
    except FileExistsError:
        return False
    return True


def remove(path: Place) -> None:
    """Remove a file, or nothing where there is none."""
    with suppress(FileNotFoundError), _telling(path, "remove", FileNotFoundError):
        if isinstance(path, Path):
            path.unlink()
        else:
            path.fs.rm_file(path.path)


def remove_folder(path: Place) -> None:
    """Remove a folder and all in it, or nothing where there is none."""
    with suppress(FileNotFoundError), _telling(path, "remove", FileNotFoundError):
        if isinstance(path, Path):
            shutil.rmtree(path)
        else:
            path.fs.rm(path.path, recursive=True)


def move(path: Place, to: Place) -> bool:
    """Move a file or folder; False where it is no longer there. A store copies, then removes."""
    try:
        with _telling(path, "move", FileNotFoundError):
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
    with _telling(path, "read"):
        return path.exists()


def is_folder(path: Place) -> bool:
    with _telling(path, "read"):
        return path.is_dir()


def size(path: Place) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is neither."""
    with suppress(FileNotFoundError), _telling(path, "read", FileNotFoundError):
        if isinstance(path, Path):
            below = path.rglob("*") if path.is_dir() else [path]
            return sum(file.stat().st_size for file in below if file.is_file())
        return int(path.fs.du(path.path))
    return 0


def names(path: Place) -> list[str]:
    """The names of what lies in a folder, sorted; none where there is no folder. Temporaries that
    are being written are left out."""
    try:
        with _telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                found = os.listdir(path)  # noqa: PTH208  # a tenth of the time of Path.iterdir
            else:
                listed = path.fs.ls(path.path, detail=False)
                found = [name.rstrip("/").rpartition("/")[2] for name in listed]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if not name.endswith(TEMPORARY))


def stamp(path: Place) -> str | None:
    """What changes when a file is written anew: its size and time, or a store's own tag; None where
    there is no file."""
    try:
        with _telling(path, "read", FileNotFoundError):
            if isinstance(path, Path):
                return stamp_of(os.stat(path))  # noqa: PTH116  # on the way of 100,000 cells
            return stamp_of(path.fs.info(path.path))
    except FileNotFoundError:
        return None


def age(path: Place) -> float | None:
    """Seconds since a file was written, by this machine's clock and the file system's; None where
    there is no file, or the store doesn't say."""
    try:
        with _telling(path, "read", FileNotFoundError):
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
    partial = path.with_name(f"{path.name}.{_HOST}.{os.getpid()}.{next(_numbers)}{TEMPORARY}")
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


@contextmanager
def _telling(
    path: Place,
    doing: Literal["read", "write", "remove", "move"],
    lets: type[OSError] | None = None,
) -> Iterator[None]:
    """What the system or a store refuses, as one line; `lets`: what the caller answers itself."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        if lets is not None and isinstance(error, lets):
            raise
        raise _refused(path, doing, error) from None
    except Exception as error:
        if is_local(path):  # a mistake of ours
            raise
        # Each store's client has errors of its own: credentials, connections, quotas.
        raise _refused(path, doing, error) from None


def _refused(path: Place, doing: str, error: Exception) -> InputError:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    lost = "; nothing was lost" if doing == "write" else ""
    return InputError(f"{path}: cannot {doing}: {_without_secrets(told)}{lost}")


def _without_secrets(told: str) -> str:
    """Of what a store says, no value that the environment keeps as a secret."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search("KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", name.upper()):
            told = told.replace(value, "***")
    return masked(told)
