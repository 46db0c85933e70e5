"""Where documents come from: one module a source, or the user's own files by path or glob."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from difflib import get_close_matches

from scaling.errors import InputError


@dataclass(frozen=True)
class Documents:
    """A source read whole: `texts[name]` is a document's UTF-8 bytes, in a fixed order."""

    source: str
    licence: str
    version: str
    texts: dict[str, bytes]


def names() -> list[str]:
    modules = (m.name for m in pkgutil.iter_modules(__path__) if m.name != "files")
    return sorted(importlib.import_module(f"{__name__}.{m}").NAME for m in modules)


def read(source: str) -> Documents:
    """All documents of a named source, or of the files that a path or glob matches."""
    for module in pkgutil.iter_modules(__path__):
        found = importlib.import_module(f"{__name__}.{module.name}")
        if getattr(found, "NAME", None) == source:
            documents: Documents = found.documents()
            return documents
    if not any(mark in source for mark in "/\\*?.~"):
        near = get_close_matches(source, names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"unknown data source {source!r}; {hint}known: {', '.join(names())}; "
            "or a path or glob of text files such as 'corpus/*.txt'"
        )
    from scaling.data.sources import files

    return files.documents(source)
