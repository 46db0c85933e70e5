"""Where cells are trained: one module an executor, one contract (`contract.py`).

The folder is the registry: a module that declares `NAME`, `Settings` and `start` is an executor.
Other packages add theirs through the entry-point group `scaling.executors`; an entry point names
such a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError

from scaling.data.registry import declared
from scaling.errors import InputError
from scaling.sweep.executors.contract import Executor, Kind, Options


@cache
def _registry() -> dict[str, Kind]:
    return declared(__name__, __path__, "scaling.executors", "executors")


def names() -> tuple[str, ...]:
    """The names of all executors, sorted."""
    return tuple(sorted(_registry()))


def start(
    name: str, options: Mapping[str, Any], *, workers: int | None, hang_seconds: float
) -> Executor:
    """The executor of that name, ready, with its settings checked. Raises InputError for a name or
    an option that is unknown, with those that are valid, and where it can't run here."""
    kind = _kind(name)
    return kind.start(settings(name, options), workers=workers, hang_seconds=hang_seconds)


def settings(name: str, options: Mapping[str, Any]) -> Options:
    """The options of an executor, checked, with its defaults."""
    kind = _kind(name)
    try:
        return kind.Settings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        valid = list(kind.Settings.model_fields)
        if first["type"] == "extra_forbidden":
            near = get_close_matches(key, valid, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            told = f"unknown option; {hint}valid: {', '.join(['name', *valid])}"
        else:
            told = f"{first['msg'].removeprefix('Value error, ')} (given {first['input']!r})"
        raise InputError(f"executor {name}: {key}: {told}") from None


def _kind(name: str) -> Kind:
    known = _registry()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no executor called {name!r}; valid: {', '.join(names())}{hint}")
    return known[name]
