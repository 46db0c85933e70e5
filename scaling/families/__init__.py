"""Model families: from one size dial to a shape, its exact counts and costs. No JAX.

The folder is the registry: a family is one module here that declares `NAME`, `DIALS` and
`from_size`, and one of the same name in `scaling.models` with its Flax module.
"""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from typing import Any, Protocol

from scaling.errors import InputError


class Shape(Protocol):
    """One buildable model: what plans, tables and forecasts ask of it."""

    @property
    def N(self) -> int: ...  # noqa: N802
    @property
    def N_total(self) -> int: ...  # noqa: N802
    def parameters(self) -> dict[str, int]: ...
    def flops_per_token(self) -> int: ...
    def memory_bytes(self, batch_tokens: int) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def get(name: str) -> Any:
    """The family's module. Raises InputError listing the families there are."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"unknown model family {name!r}, known: {', '.join(names())}{hint}")
    return importlib.import_module(f"{__name__}.{name}")
