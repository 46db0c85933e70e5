"""The laws that `scaling fit --law` knows.

The folder is the registry: each file declares `Law` values at its top level and they are found.
Other packages add theirs through the entry-point group `scaling.laws`; an entry point names a
module that holds laws, or one law.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from scaling.errors import InputError
from scaling.laws.law import Law, Param, exponent, free, log, positive, unit

__all__ = ["Law", "Param", "exponent", "free", "get", "log", "names", "positive", "unit"]


@cache
def _registry() -> dict[str, Law]:
    found: dict[str, Law] = {}
    for law in _declared():
        if found.setdefault(law.name, law) is not law:
            raise ValueError(f"two laws are called {law.name}")
    return found


def _declared() -> Iterator[Law]:
    for module in pkgutil.iter_modules(__path__):
        yield from _laws_in(importlib.import_module(f"{__name__}.{module.name}"))
    for entry in entry_points(group="scaling.laws"):
        yield from _laws_in(entry.load())


def _laws_in(item: object) -> Iterator[Law]:
    if isinstance(item, Law):
        yield item
    else:
        yield from (value for value in vars(item).values() if isinstance(value, Law))


def names() -> tuple[str, ...]:
    """All law names, sorted."""
    return tuple(sorted(_registry()))


def get(name: str) -> Law:
    """The law of that name. Raises InputError that lists the names known and the nearest."""
    law = _registry().get(name)
    if law is None:
        near = difflib.get_close_matches(name.lower(), names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"no law called {name!r}; known: {', '.join(names())}{hint}")
    return law
