"""Finds a folder's modules that declare themselves, and those that other packages add."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any


def declared(package: str, path: Iterable[str], group: str, what: str) -> dict[str, Any]:
    """Modules of `package` that declare `NAME`, and the entry points of `group`, by name.

    Raises ValueError where two of them share a name: `what` says what they are.
    """
    own = [importlib.import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules(path)]
    others = [entry.load() for entry in entry_points(group=group)]
    found: dict[str, Any] = {}
    for module in (m for m in (*own, *others) if hasattr(m, "NAME")):
        if found.setdefault(module.NAME, module) is not module:
            raise ValueError(f"two {what} are called {module.NAME}")
    return found
