"""Blocks whose activations are computed twice rather than kept from the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import flax.linen as nn
import jax

F = TypeVar("F", bound=Callable[..., object])


def blockwise(block: F, remat: bool) -> F:
    """A block, a function of a module and its input, that keeps its input only where `remat` is
    asked for; names and parameters are the same. Programs need `compiler_options`."""
    if not remat:
        return block
    again: F = nn.remat(block)
    return again


def compiler_options() -> dict[str, str] | None:
    """What keeps XLA from merging both computations into one again.

    Its CPU compiler takes the barriers between them out before it looks for common expressions
    (jax 0.10): without this option nothing is computed twice there, and nothing saved.
    """
    if jax.default_backend() == "cpu":
        return {"xla_disable_hlo_passes": "cse_barrier_expander"}
    return None
