"""The Flax module of each family, under the family's name."""

from __future__ import annotations

import importlib
from typing import Any


def get(name: str) -> Any:
    """The module with `build(shape, ...)` and `rate_multipliers(...)` of a family."""
    return importlib.import_module(f"{__name__}.{name}")
