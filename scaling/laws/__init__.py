"""The laws that `scaling fit --law` knows, and the parameters that papers printed for them.

The folder is the registry: each file declares `Law` and `Published` values at its top level and
they are found. Other packages add theirs through the entry-point group `scaling.laws`; an entry
point names a module that holds them, or one of them.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

from scaling.errors import InputError
from scaling.laws.law import Law, Param, Published, exponent, free, log, place, positive, unit

__all__ = [
    "Law", "Param", "Published", "exponent", "families", "find", "free", "get", "log", "names",
    "place", "positive", "published", "unit",
]  # fmt: skip


T = TypeVar("T")
Named = TypeVar("Named", Law, Published)


@cache
def _registry() -> dict[str, Law]:
    return _by_name(item for _, item in _declared() if isinstance(item, Law))


@cache
def _published() -> dict[str, Published]:
    return _by_name(item for _, item in _declared() if isinstance(item, Published))


def _by_name(items: Iterator[Named]) -> dict[str, Named]:
    found: dict[str, Named] = {}
    for item in items:
        if found.setdefault(item.name, item) is not item:
            raise ValueError(f"two laws are called {item.name}")
    return found


@cache
def _declared() -> tuple[tuple[str, Law | Published], ...]:
    """Every value, with the file or entry point that declares it. A file that builds on a law of
    another imports that file, not the law, which would be declared twice."""
    found = [
        (module.name, item)
        for module in pkgutil.iter_modules(__path__)
        for item in _values_in(importlib.import_module(f"{__name__}.{module.name}"))
    ]
    for entry in entry_points(group="scaling.laws"):
        found += [(entry.name, item) for item in _values_in(entry.load())]
    return tuple(found)


def _values_in(item: object) -> Iterator[Law | Published]:
    if isinstance(item, Law | Published):
        yield item
    else:
        yield from (value for value in vars(item).values() if isinstance(value, Law | Published))


def families() -> dict[str, tuple[Law, ...]]:
    """The laws by the file that declares them, in its order."""
    found: dict[str, tuple[Law, ...]] = {}
    for name, item in _declared():
        if isinstance(item, Law):
            found[name] = (*found.get(name, ()), item)
    return found


def names() -> tuple[str, ...]:
    """All law names, sorted."""
    return tuple(sorted(_registry()))


def get(name: str) -> Law:
    """The law of that name. Raises InputError that lists the names known and the nearest."""
    return _find(name, _registry(), "law")


class _PublishedParameters(Mapping[str, Published]):
    """`published["hoffmann2022"]`: found when first asked, so that importing stays light."""

    def __getitem__(self, name: str) -> Published:
        return _find(name, _published(), "published parameters")

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_published()))

    def __len__(self) -> int:
        return len(_published())

    def __contains__(self, name: object) -> bool:
        return name in _published()


published: Mapping[str, Published] = _PublishedParameters()


def find(name: str) -> tuple[Law, Published | None]:
    """A law by its own name, or by that of parameters published for it, which come along.

    Raises InputError with the nearest names for a name that is neither.
    """
    if name in _published():
        item = published[name]
        return get(item.law), item
    if name in _registry():
        return get(name), None
    everything: dict[str, object] = {**_registry(), **_published()}
    _find(name, everything, "law or published parameters")  # raises
    raise AssertionError(name)


def _find(name: str, known: Mapping[str, T], what: str) -> T:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"no {what} called {name!r}; {hint}`scaling laws` lists all {len(known)}")
