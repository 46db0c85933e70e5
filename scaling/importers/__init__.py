"""Runs that other tools trained: one module a source, one contract (`contract.py`).

The folder is the registry: a module that declares `NAME`, `ABOUT`, `EXAMPLE`, `USUAL`, `recognises`
and `read` is an importer. Other packages add theirs through the entry-point group
`scaling.importers`; an entry point names such a module.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from scaling.data.registry import declared
from scaling.errors import InputError
from scaling.importers.contract import Importer

LAST = "table"  # the importer of plain tables
BESIDE = "log"  # the importer of printed logs, which lie beside the files of other tools


@cache
def _registry() -> dict[str, Importer]:
    return declared(__name__, __path__, "scaling.importers", "importers")


def names() -> tuple[str, ...]:
    """The names of all importers, sorted."""
    return tuple(sorted(_registry()))


def get(name: str) -> Importer:
    """The importer of that name. Raises InputError that lists all of them."""
    if name not in _registry():
        near = get_close_matches(name, names(), 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(f"no importer {name!r}; {hint}valid: {', '.join(names())}")
    return _registry()[name]


def recognised(source: str) -> str | None:
    """The name of the importer whose source this looks to be, or None.

    A tool's own file may be a table or a printed log, too: their importers come last. Raises
    InputError where two others claim it.
    """
    found = [name for name in names() if get(name).recognises(source)]
    for general in (LAST, BESIDE):
        found = [name for name in found if name != general] or found
    if len(found) > 1:
        raise InputError(f"{source}: looks like a source of {' and of '.join(found)}; choose one "
                         f"with --from {found[0]}")  # fmt: skip
    return found[0] if found else None
