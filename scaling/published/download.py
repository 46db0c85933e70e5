"""Files of public repositories in the user's cache: fetched once, resumed where a connection broke,
checked against their SHA-256 every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.errors import InputError

if TYPE_CHECKING:
    import requests

    from scaling.published.tables import Original

Told = Callable[[int, int], None]  # bytes done, of how many
_TRIES = 3  # of a connection that breaks
_SECONDS = (10, 60)  # until it stands, between two of its bytes
_PIECE = 1 << 10  # what a broken connection may lose


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def fetch(original: Original, option: str, tell: Told = silent) -> Path:
    """The file in the cache. Raises InputError where it cannot be had, or is not what it was.

    option: of the command, that names a folder to read it from instead.
    """
    import pooch
    from filelock import FileLock

    folder = Path(pooch.os_cache("scaling"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{original.sha256[:16]}-{original.file}"
    partial = path.with_name(f"{path.name}.part")
    with FileLock(f"{path}.lock"):
        if path.is_file() and _sha256(path) == original.sha256:
            return path
        _download(original, partial, option, tell)
        found = _sha256(partial)
        if found != original.sha256:
            partial.unlink()
            raise InputError(
                f"{original.url}: what came has SHA-256 {found}, not {original.sha256}: it is not "
                f"the file that was published, and was not kept; {_instead(original, option)}"
            )
        partial.replace(path)
    return path


def _download(original: Original, partial: Path, option: str, tell: Told) -> None:
    """All of the file beside its place, however often the connection breaks."""
    import requests

    for left in reversed(range(_TRIES)):
        try:
            _go_on(original, partial, tell)
            return
        except requests.HTTPError as error:
            why = str(error)  # an answer: no other is to be expected
            break
        except (requests.RequestException, OSError) as error:
            why = str(error)
            if not left:
                break
    have = partial.stat().st_size if partial.is_file() else 0
    kept = f"; {have:,} of {original.size:,} bytes are kept, the same command goes on" * (have > 0)
    raise InputError(f"{original.url} could not be had ({why}){kept}; {_instead(original, option)}")


def _go_on(original: Original, partial: Path, tell: Told) -> None:
    """What is still missing, where the server can begin in the middle; else all of it."""
    import requests

    have = partial.stat().st_size if partial.is_file() else 0
    if have >= original.size:  # of another size than stated, or damaged: from the start
        have = 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(original.url, headers=headers, stream=True, timeout=_SECONDS) as answer:
        answer.raise_for_status()
        resumed = have > 0 and _begins_at(answer, have)
        done = have if resumed else 0
        with partial.open("ab" if resumed else "wb") as file:
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                done += len(piece)
                tell(done, original.size)
                if done > original.size:  # not the file: nor is what may come without end
                    break


def _begins_at(answer: requests.Response, have: int) -> bool:
    said = answer.headers.get("Content-Range", "")
    return answer.status_code == 206 and said.startswith(f"bytes {have}-")


def _instead(original: Original, option: str) -> str:
    return f"or put {original.file} into a folder and name it with {option}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
