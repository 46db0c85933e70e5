"""The convolution of every convolutional layer."""

from __future__ import annotations

import jax

Array = jax.Array


def convolution(
    x: Array, kernel: Array, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Array:
    """x [B, H, W, C] by kernel [k, k, C / groups, O] -> [B, H', W', O]; `padding` zeros on each
    edge."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
