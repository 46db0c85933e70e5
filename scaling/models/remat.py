"""Blocks whose activations are computed twice rather than kept from the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import flax.linen as nn

F = TypeVar("F", bound=Callable[..., object])


def blockwise(block: F, remat: bool) -> F:
    """A block, a module's class or a function of a module and its input, that keeps its input only
    where `remat` is asked for; names and parameters are the same."""
    if not remat:
        return block
    again: F = nn.remat(block)
    return again
