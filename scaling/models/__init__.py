"""The Flax module of each family, under the family's name.

Other packages add that of a family of theirs through the entry-point group `scaling.models`; the
entry point has the family's name and names the module.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any


def get(name: str) -> Any:
    """The module with `build(shape, ...)` and `rate_multipliers(...)` of a family."""
    for other in entry_points(group="scaling.models", name=name):
        return other.load()
    return importlib.import_module(f"{__name__}.{name}")
