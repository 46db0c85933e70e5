"""Where documents come from: one module a source, or the user's own files by path or glob.

The folder is the registry: a module that declares `NAME`, `LICENCE` and `documents()` is a source.
Other packages add theirs through the entry-point group `scaling.data`; an entry point names such a
module.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Protocol

from scaling.data.registry import declared
from scaling.errors import InputError


@dataclass(frozen=True)
class Documents:
    """A source read whole: `texts[name]` is a document's UTF-8 bytes, in a fixed order."""

    source: str
    licence: str
    version: str
    texts: dict[str, bytes]


class Source(Protocol):
    """What a source's module declares."""

    NAME: str
    LICENCE: str

    def documents(self) -> Documents:
        """All documents, none empty, in an order that is the same on every machine."""
        ...


@cache
def _registry() -> dict[str, Source]:
    return declared(__name__, __path__, "scaling.data", "data sources")


def names() -> tuple[str, ...]:
    """The names of all sources, sorted; a path or glob is valid besides."""
    return tuple(sorted(_registry()))


def read(source: str) -> Documents:
    """All documents of a named source, or of the files that a path or glob matches.

    Raises InputError for an unknown name, no match, empty files, and text that is not UTF-8 (with
    the document's name and the byte).
    """
    named = _registry().get(source)
    documents = named.documents() if named else _read_files(source)
    for name, text in documents.texts.items():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{name}: not UTF-8 at byte {error.start} ({error.reason})") from None
    return documents


def _read_files(pattern: str) -> Documents:
    from scaling.data.sources import files

    # A bare word is more likely a misspelt name than a file, unless the file is there.
    if not any(mark in pattern for mark in "/\\*?[.~") and not files.exists(pattern):
        near = get_close_matches(pattern.lower(), names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"no data source called {pattern!r}; known: {', '.join(names())}, or a path or glob "
            f"of text files such as 'corpus/*.txt'{hint}"
        )
    return files.documents(pattern)
