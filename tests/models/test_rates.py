"""Rates of image classifiers: by fan-in for kernels, unchanged for vectors, times the head's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from scaling import families, models

IMAGES = {"image": 16, "channels": 1, "classes": 3}
DIALS: dict[str, dict[str, Any]] = {
    "mlp": {"depth": 2},
    "cnn": {"depth": 3},
    "resnet": {"depth": 8},
    "vgg": {"depth": 11},
}


@pytest.mark.parametrize("family", DIALS)
def test_twice_the_width_has_half_the_rate_of_what_is_summed_over_it(family: str) -> None:
    shape = families.get(family).from_dials(width=16, **DIALS[family], **IMAGES)
    module = models.get(family)
    tree = jax.eval_shape(module.build(shape).init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))[
        "params"
    ]
    rates = module.rate_multipliers(tree, shape, base_width=8, head_rate=4.0, transfer=True)
    flat = jax.tree_util.tree_leaves_with_path(tree)
    for (path, leaf), (_, rate) in zip(
        flat, jax.tree_util.tree_leaves_with_path(rates), strict=True
    ):
        fan_in = leaf.size // leaf.shape[-1]
        in_head = "head" in str(path)
        if leaf.ndim == 1 or fan_in in (9, 256):  # vectors; the image itself: a window, all of it
            assert rate == 1.0, path
        else:
            assert rate == (2.0 if in_head else 0.5), path
    same = module.rate_multipliers(tree, shape, base_width=8, head_rate=4.0, transfer=False)
    assert set(jax.tree.leaves(same)) == {1.0}
