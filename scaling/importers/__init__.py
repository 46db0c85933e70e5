"""Runs that other tools trained: one module a source, one contract (`contract.py`).

The folder is the registry: a module that declares `NAME`, `ABOUT`, `EXAMPLE`, `USUAL`, `recognises`
and `read` is an importer. Other packages add theirs through the entry-point group
`scaling.importers`; an entry point names such a module.
"""

from __future__ import annotations

from functools import cache

from scaling.data.registry import declared
from scaling.importers.contract import Importer


@cache
def _registry() -> dict[str, Importer]:
    return declared(__name__, __path__, "scaling.importers", "importers")


def names() -> tuple[str, ...]:
    """The names of all importers, sorted."""
    return tuple(sorted(_registry()))
