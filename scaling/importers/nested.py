"""Nested settings as flat ones: `{"model": {"d": 8}}` is `{"model.d": 8}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scaling.importers.contract import Scalar

LONG = 32  # a list of more items is data, not a setting


def flat(settings: Mapping[str, Any], joint: str = ".") -> dict[str, Scalar]:
    """Scalars by their keys joined; a short list as its JSON; what is empty is left out."""
    found: dict[str, Scalar] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= {f"{key}{joint}{below}": one for below, one in flat(value, joint).items()}
        elif isinstance(value, str | int | float | bool):
            found[str(key)] = value
        elif isinstance(value, list | tuple) and 0 < len(value) <= LONG:
            found[str(key)] = json.dumps(value, default=str)
    return found
