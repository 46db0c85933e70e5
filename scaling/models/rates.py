"""Learning rates that are tuned once, at a base width, and hold for every width of a family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp


def rates(
    build: Callable[[Any], Any],
    params: Any,
    shape: Any,
    base_width: int,
    head_rate: float,
    transfer: bool,
) -> Any:
    """A tree like `params` (the collection): what each leaf's learning rate is multiplied by.

    With `transfer`, the rates of Adam under the maximal update parametrisation (Yang et al.,
    arXiv:2203.03466, Table 8): a kernel's goes as one over its fan-in, relative to the same net at
    `base_width`; vectors keep theirs. The head's factor on top is tuned once, at `base_width`.
    """
    if not transfer:
        return jax.tree.map(lambda _: 1.0, params)
    images = jnp.zeros((1, shape.image, shape.image, shape.channels))
    init = build(replace(shape, width=base_width)).init
    base_params = jax.eval_shape(init, jax.random.key(0), images)["params"]

    def multiplier(path: Any, leaf: Any, base_leaf: Any) -> float:
        if leaf.ndim == 1:
            return 1.0
        fan_in, base_fan_in = (a.size // a.shape[-1] for a in (leaf, base_leaf))
        is_head = any(getattr(key, "key", None) == "head" for key in path)
        return float(base_fan_in / fan_in * (head_rate if is_head else 1.0))

    return jax.tree_util.tree_map_with_path(multiplier, params, base_params)
