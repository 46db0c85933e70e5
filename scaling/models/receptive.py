"""What a position of the last feature map really sees of an image: the effective receptive field.

The theoretical field, by layer, is arithmetic: `Layer.receptive` of each family's layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

Array = jax.Array
# The mass of a normal distribution within two standard deviations.
SHARE = 0.9545


class Effective(NamedTuple):
    """map: float64 [H, W], the share of the gradient that falls on each pixel; sums to one.
    side: of the smallest square that holds `SHARE` of it, in pixels."""

    map: NDArray[np.float64]
    side: int


def effective(model: Any, variables: Any, images: Array) -> Effective:
    """The effective receptive field of the centre position (Luo et al. 2016, arXiv:1701.04128).

    The gradient of the centre's features, summed over their channels, by the pixels: its size,
    summed over the image's channels, averaged over `images` [B, H, W, C] (normalised; random ones
    will do). The paper counts the pixels above a share of the peak; here a square holds a share of
    the mass, which doesn't depend on one pixel. Raises InputError for a net without positions.
    """

    def centre(images: Array) -> Array:
        features = feature_map(model, variables, images)
        row, column = features.shape[1] // 2, features.shape[2] // 2
        total: Array = features[:, row, column].astype(jnp.float32).sum()
        return total

    seen = np.asarray(jnp.abs(jax.jit(jax.grad(centre))(images)).sum((0, 3)), np.float64)
    shares = seen / seen.sum()
    return Effective(shares, _side(shares))


def feature_map(model: Any, variables: Any, images: Array) -> Array:
    """The last feature map [B, H, W, features] before the net pools or flattens it."""
    _, kept = model.apply(variables, images, mutable=["intermediates"])
    if "features" not in kept.get("intermediates", {}):
        raise InputError(f"{type(model).__name__} has no feature map: nothing to see through")
    features: Array = kept["intermediates"]["features"][0]
    return features


def _side(shares: NDArray[np.float64]) -> int:
    """The smallest square, wherever it lies, that holds `SHARE` of the mass."""
    above = np.pad(shares.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    for side in range(1, min(shares.shape)):
        columns = above[:, side:] - above[:, :-side]
        inside = columns[side:] - columns[:-side]
        if inside.max() >= SHARE:
            return side
    return int(max(shares.shape))
