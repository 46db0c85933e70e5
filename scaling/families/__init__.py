"""Model families: from one size dial to a shape, its exact counts and costs. No JAX.

The folder is the registry: a family is one module here that declares `NAME`, `DIALS` and
`from_size`, and one of the same name in `scaling.models` with its Flax module.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Protocol

from scaling.errors import InputError


class Shape(Protocol):
    """One buildable model: what plans, tables and forecasts ask of it."""

    @property
    def N(self) -> int: ...
    @property
    def N_total(self) -> int: ...
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


def nearest_like(
    family: str, configs: Iterable[str], count: str
) -> Callable[[float], dict[str, Any]]:
    """A function from a size to the nearest buildable configuration of a ladder's kind.

    configs: the ladder's configurations as JSON (a run table's `config` column); what they all
    share stays (depth, vocabulary, context, ...), what they vary is left to the size dial.
    count: what the size counts, "N" or "N_total".
    """
    shapes = [json.loads(config) for config in configs]
    shared = {k: v for k, v in shapes[0].items() if all(s.get(k) == v for s in shapes)}
    # A ladder of one size still has its size dial, and heads follow from the width.
    fixed = {k: v for k, v in shared.items() if k not in ("width", "heads")}
    module = get(family)

    def nearest(size: float) -> dict[str, Any]:
        shape: Shape = module.from_size(size, count=count, **fixed)
        return {"N": shape.N, "N_total": shape.N_total, **shape.to_dict()}

    return nearest
