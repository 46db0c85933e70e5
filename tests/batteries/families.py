"""What every model family must do: its arithmetic against the real Flax module and against XLA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from scaling import models
from scaling.families import Shape

# Which group of `parameters()` a leaf of the real tree belongs to, by its own or its module's name.
GROUPS = {"embedding": "embedding", "head": "head", "gain": "norm"}


def real_parameters(family: str, shape: Shape, context: int) -> dict[str, int]:
    """Parameters of the real tree by group."""
    model = models.get(family).build(shape)
    tree = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, context), jnp.int32))
    groups = dict.fromkeys(shape.parameters(), 0)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        module, name = (key.key for key in path[-2:])
        groups[GROUPS.get(name) or module.split("_")[0]] += leaf.size
    return groups


def matmul_flops(function: Any, *arguments: Any) -> int:
    """FLOPs of every `dot_general` in the traced program."""
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def xla_flops(function: Any, *arguments: Any) -> float:
    """XLA's own count, elementwise work included."""
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return float(analysis["flops"])


def _count(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            depth = 1
            for axis in contracted:
                depth *= left[axis]
            total += 2 * depth * equation.outvars[0].aval.size
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(inner, "jaxpr"):
                    total += _count(inner.jaxpr)
                elif hasattr(inner, "eqns"):
                    total += _count(inner)
    return total
