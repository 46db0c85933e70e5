"""Learning rates that are tuned once, at a base width, and hold for every width of a family.

Adam under the maximal update parametrisation (Yang et al., arXiv:2203.03466, Table 8): what is
multiplied over the width goes as 1 / width, what isn't keeps its rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def by_fan_in(
    params: Any, base: nn.Module, inputs: tuple[Any, ...], *, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: the base's fan-in over the leaf's; the head's also times `head_rate`.

    params: the module's parameters, or its variables. base: the module of the same shape at the
    width where the rates were tuned; inputs: what initialises it. Vectors, scalars and tables of
    vectors have no fan-in that grows: 1.
    """
    if not transfer:
        return jax.tree.map(lambda _: 1.0, params)
    variables = jax.eval_shape(base.init, jax.random.key(0), *inputs)
    if "params" not in params:
        variables = variables["params"]
    known = dict(jax.tree_util.tree_leaves_with_path(variables))

    def multiplier(path: Any, leaf: Any) -> float:
        if not is_matrix(path, leaf):
            return 1.0
        ratio: float = prod(known[path].shape[:-1]) / prod(leaf.shape[:-1])
        in_head = any(getattr(key, "key", None) == "head" for key in path)
        return ratio * (head_rate if in_head else 1.0)

    return jax.tree_util.tree_map_with_path(multiplier, params)


def is_matrix(path: Any, leaf: Any) -> bool:
    """Whether a leaf is a matrix, a kernel or a table: not a vector, nor one for each block of a
    stack (whose modules are called `..._stack`)."""
    stacked = any(str(getattr(key, "key", "")).endswith("_stack") for key in path)
    return bool(leaf.ndim > 1 + stacked)


def of_images(build: Callable[[Any], nn.Module]) -> Callable[..., Any]:
    """The `rate_multipliers` of an image classifier whose shape has a width and nothing that hangs
    on it."""

    def rate_multipliers(
        params: Any, shape: Any, *, base_width: int, head_rate: float, transfer: bool
    ) -> Any:
        """A tree like `params`: what each leaf's learning rate is multiplied by."""
        images = jnp.zeros((1, shape.image, shape.image, shape.channels))
        base = build(replace(shape, width=base_width))
        return by_fan_in(params, base, (images,), head_rate=head_rate, transfer=transfer)

    return rate_multipliers
