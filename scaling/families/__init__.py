"""Model families: from one size dial to a shape, its exact counts and costs. No JAX.

The folder is the registry: a family is one module here that declares `NAME`, `UNIT`, `DATA`,
`DIALS`, `SIZED`, `BLOCKS`, `from_size` and `from_dials`, and one of the same name in
`scaling.models` with its Flax module. Other packages add theirs through the entry-point group
`scaling.families`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from scaling.errors import InputError
from scaling.families.layers import Layer
from scaling.families.memory import USUAL, Memory, Use

# What D counts, and with it the task: next tokens, a label for an image, a caption for an image.
Unit = Literal["token", "image", "pair"]


class Shape(Protocol):
    """One buildable model, hashable: what plans, tables and forecasts ask of it.

    Counts of FLOPs are for one unit of D: a token, an image, an image-text pair.
    """

    def __hash__(self) -> int: ...
    @property
    def N(self) -> int: ...
    @property
    def N_total(self) -> int: ...
    @property
    def N_active(self) -> int: ...
    @property
    def units(self) -> int: ...
    def parameters(self) -> dict[str, int]: ...
    def forward_flops(self) -> dict[str, int]: ...
    def training_flops(self) -> int: ...
    def computed_flops(self, batch: int, *, remat: bool = False) -> int: ...
    def total_flops(self, batch: int, use: Use = USUAL) -> int: ...
    def memory(self, batch: int, use: Use = USUAL, data: int = 0) -> Memory: ...
    def memory_bytes(self, batch: int, use: Use = USUAL) -> int: ...
    def layers(self) -> tuple[Layer, ...]: ...
    def to_dict(self) -> dict[str, Any]: ...


class Family(Protocol):
    """What a family's module declares.

    DATA: the keywords that the data sets (vocab, context; image, channels, classes). DIALS: those
    that people set. SIZED: the dials among them that the size sets. BLOCKS: whether its layers form
    blocks that can be rematerialised. `from_dials` fills what is not given with what is usual.
    """

    NAME: str
    UNIT: Unit
    DATA: tuple[str, ...]
    DIALS: tuple[str, ...]
    SIZED: tuple[str, ...]
    BLOCKS: bool

    def from_size(self, size: float, *, count: str = "N", **fixed: Any) -> Shape: ...
    def from_dials(self, **fixed: Any) -> Shape: ...


@cache
def _registry() -> dict[str, Family]:
    own = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    others = [entry.load() for entry in entry_points(group="scaling.families")]
    found: dict[str, Family] = {}
    for family in (m for m in (*own, *others) if hasattr(m, "NAME")):
        if found.setdefault(family.NAME, family) is not family:
            raise ValueError(f"two model families are called {family.NAME}")
    return found


def names() -> list[str]:
    """The names of all families, sorted."""
    return sorted(_registry())


def get(name: str) -> Family:
    """The family's module. Raises InputError listing the families there are."""
    if (found := _registry().get(name)) is None:
        near = get_close_matches(name, names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"unknown model family {name!r}, known: {', '.join(names())}{hint}")
    return found


def wrong_use(family: str, examples: int, use: Use) -> tuple[str, str] | None:
    """The key of a recipe that a batch of `examples` can't be trained with, and why; or None."""
    module = get(family)
    if use.precision == "float16" and use.on == "tpu":
        return "precision", "float16: a TPU has none; valid: float32, bfloat16"
    if use.remat and not module.BLOCKS:
        valid = ", ".join(name for name in names() if get(name).BLOCKS)
        return "remat", f"blocks: {family} has no blocks to compute again; those that do: {valid}"
    if use.microbatch is None:
        return None
    if module.UNIT == "pair":
        return "microbatch", f"{use.microbatch}: pairs are told apart within a whole batch"
    if examples % use.microbatch:
        valid = ", ".join(str(n) for n in range(1, examples + 1) if examples % n == 0)
        return (
            "microbatch",
            f"{use.microbatch} does not divide a batch of {examples} examples; valid: {valid}",
        )
    return None


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
    module = get(family)
    grown = {dial for dial in module.DIALS if dial in shapes[0] and dial not in shared}
    # A ladder that grows by another dial (its depth) keeps its width; else the size sets again what
    # it usually sets, for a ladder of one size too.
    if not grown or grown & set(module.SIZED):
        shared = {k: v for k, v in shared.items() if k not in module.SIZED}

    def nearest(size: float) -> dict[str, Any]:
        shape = module.from_size(size, count=count, **shared)
        return {"N": shape.N, "N_total": shape.N_total, **shape.to_dict()}

    return nearest
