"""Random shifts and flips of images on the device, anew for every step."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

Array = jax.Array


def augment(images: Array, how: Literal["shift", "shift-flip"] | None, key: Array) -> Array:
    """Each image [B, H, W, C] moved by up to an eighth of its side, edges padded with zeros (He et
    al. 2015: 4 of 32 pixels); with "shift-flip", half of them mirrored."""
    if how is None:
        return images
    B, H, W, C = images.shape
    pad = H // 8
    for_shift, for_flip = jax.random.split(key)
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    corners = jax.random.randint(for_shift, (B, 2), 0, 2 * pad + 1)
    moved: Array = jax.vmap(
        lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), (H, W, C))
    )(padded, corners)
    if how == "shift":
        return moved
    flip = jax.random.bernoulli(for_flip, 0.5, (B, 1, 1, 1))
    return jnp.where(flip, moved[:, :, ::-1], moved)
