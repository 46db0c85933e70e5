"""What a source needs beyond the light install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from scaling.errors import InputError


def needed(module: str, what: str, extra: str) -> Any:
    """The module. Raises InputError where it is missing, naming what needs it and the extra."""
    try:
        return import_module(module)
    except ImportError:
        raise InputError(f"{what}: pip install 'scaling-laws[{extra}]'") from None
