"""Learning rates by fan-in, for every family whose width can change.

Adam under the maximal update parametrisation (Yang et al., arXiv:2203.03466, Table 8): what is
multiplied over the width goes as 1 / width, what isn't keeps its rate.
"""

from __future__ import annotations

from math import prod
from typing import Any

import flax.linen as nn
import jax


def by_fan_in(
    params: Any, base: nn.Module, inputs: tuple[Any, ...], *, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: the base's fan-in over the leaf's; the head's also times `head_rate`.

    params: the module's parameters, or its variables. base: the module of the same shape at the
    width where the rates were tuned. Vectors, scalars and tables of vectors have no fan-in that
    grows: 1.
    """
    if not transfer:
        return jax.tree.map(lambda _: 1.0, params)
    variables = jax.eval_shape(base.init, jax.random.key(0), *inputs)
    if "params" not in params:
        variables = variables["params"]
    known = dict(jax.tree_util.tree_leaves_with_path(variables))

    def multiplier(path: Any, leaf: Any) -> float:
        ratio: float = prod(known[path].shape[:-1]) / prod(leaf.shape[:-1])
        return ratio * (head_rate if path[-1].key == "head" else 1.0)

    return jax.tree_util.tree_map_with_path(multiplier, params)
