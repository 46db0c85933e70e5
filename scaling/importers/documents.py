"""Files of a source: found by name, read as JSON, and what is said where they are damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError

if TYPE_CHECKING:
    from scaling.files import Place


def below(source: str, *patterns: str) -> list[Place]:
    """The source itself if it is a file, else the files of these names in it and below it, in the
    order of their paths. Raises InputError where there is no such source."""
    place = files.folder(source)
    if not files.exists(place):
        raise InputError(f"{source}: no such file or folder")
    if not files.is_folder(place):
        return [place]
    found = {file for pattern in patterns for file in place.rglob(pattern) if file.is_file()}
    return sorted(found, key=str)


def named(source: str, *patterns: str) -> bool:
    """Whether a source is a file of such a name, or a folder with one in it, or in a folder of it,
    or in a folder of that."""
    place = files.folder(source)
    if not files.is_folder(place):
        return any(fnmatch(place.name, pattern) for pattern in patterns) and files.exists(place)
    deep = (f"{above}{pattern}" for above in ("", "*/", "*/*/") for pattern in patterns)
    return any(next(iter(place.glob(pattern)), None) is not None for pattern in deep)


def id_of(file: Place, source: str) -> str:
    """What tells a run from the others of its source: its folder as seen from there, or that
    folder's own name where the run is all there is."""
    top = str(files.folder(source))
    folder = file if files.is_folder(file) else file.parent
    seen = str(folder).removeprefix(f"{top}/")
    return seen if seen != str(folder) else folder.name


def stem_of(file: Place, source: str) -> str:
    """What tells a file that is a run from the others of its source: its path as seen from there,
    without its suffix."""
    top = str(files.folder(source))
    seen = file.name if str(file) == top else str(file).removeprefix(f"{top}/")
    return seen.removesuffix(file.suffix)


def text_of(file: Place) -> str:
    """A whole file as text. Raises InputError where it is not UTF-8, naming the byte."""
    data = files.read(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start} ({error.reason})") from None


def parsed(text: str, file: Place) -> Any:
    """A JSON document. Raises InputError with the line and the column where it is damaged."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file}: not JSON at {position(error)}: {error.msg}") from None


def position(error: json.JSONDecodeError) -> str:
    return f"line {error.lineno}, column {error.colno}"


def items_before(text: str, name: str) -> Iterator[Any]:
    """What can still be read of a damaged document: the whole items of the list called `name`."""
    decoder = json.JSONDecoder()
    at = text.find(f'"{name}"')
    at = text.find("[", at) + 1 if at >= 0 else 0
    while at:
        at = _past(text, at, " \t\r\n,")
        try:
            item, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return
        yield item


def _past(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at
