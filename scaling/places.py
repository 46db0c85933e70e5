"""Where files lie: a folder here or behind a URL, and what either says when it refuses.

A folder is a `pathlib.Path`, or, behind a URL that fsspec knows (s3://, gs://, memory://), a
`UPath`; both are joined by `/`. Credentials come from the environment, never from a URL, and stand
in no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Literal, TypeAlias

from scaling.errors import InputError

if TYPE_CHECKING:
    from upath import UPath

    Place: TypeAlias = Path | UPath

TOLD_CHARACTERS = 300

# The extra of this package that brings a protocol's filesystem.
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


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


def beside(path: Path, endings: Iterable[str]) -> str:
    """What else a name that is not there may have meant: the nearest files of these endings in its
    folder, or those that there are."""
    folder, endings = path.parent, tuple(endings)
    if not folder.is_dir():
        return f"there is no folder {folder}"
    there = sorted(p.name for p in folder.iterdir() if p.suffix in endings and p.is_file())
    near = get_close_matches(path.stem, [Path(name).stem for name in there], 3, 0.6)
    if near:
        return f"nearest there: {', '.join(n for n in there if Path(n).stem in near)}"
    what = f"ending in {', '.join(endings)}"
    if not there:
        return f"no file {what} is in that folder"
    more = f" and {len(there) - 5} more" if len(there) > 5 else ""
    return f"files there {what}: {', '.join(there[:5])}{more}"


def is_local(path: Place) -> bool:
    return isinstance(path, Path)


def in_memory(path: Place) -> bool:
    """Whether it is this process's own, so that no other can see it."""
    return not isinstance(path, Path) and path.protocol == "memory"


def masked(text: str) -> str:
    """A URL without user, password and query."""
    text = re.sub(r"(?<=://)[^/@]*@", "***@", text)
    return re.sub(r"(?<=.)\?.*", "?***", text) if "://" in text else text


@contextmanager
def telling(
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
    # Some clients tell of all that they tried.
    told = shorten(_without_secrets(told), TOLD_CHARACTERS, placeholder=" ...")
    return InputError(f"{path}: cannot {doing}: {told}{lost}")


def _without_secrets(told: str) -> str:
    """Of what a store says, no value that the environment keeps as a secret."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search("KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", name.upper()):
            told = told.replace(value, "***")
    return masked(told)
