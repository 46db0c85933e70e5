"""Programs that are compiled to be looked at or run once: their compiling is all of their time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

# The same for processes that a test starts, as XLA reads it.
QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@contextmanager
def compiled_quickly() -> Iterator[None]:
    """What XLA compiles meanwhile is the same program in slower machine code: sizes, FLOPs and
    memory as ever, sums rounded otherwise."""
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
