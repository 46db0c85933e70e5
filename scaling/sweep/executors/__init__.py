"""Where cells are trained: one module an executor, one contract (`contract.py`).

The folder is the registry: a module that declares `NAME`, `Settings` and `start` is an executor.
Other packages add theirs through the entry-point group `scaling.executors`; an entry point names
such a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from scaling.data.registry import declared
from scaling.sweep.executors.contract import Executor, Kind, Options
from scaling.sweep.settings import checked, member


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
    found: Options = checked(_kind(name).Settings, options, f"executor {name}", beside=["name"])
    return found


def _kind(name: str) -> Kind:
    return member(_registry(), name, "executor")
