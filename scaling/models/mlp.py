"""The Flax module of `scaling.families.mlp.MLP`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.mlp import MLP
from scaling.models.layers import Dense, Head
from scaling.models.rates import of_images

Array = jax.Array


class MLPClassifier(nn.Module):
    """Images [B, H, W, C] -> float32 logits [B, classes]."""

    shape: MLP
    dtype: Any = jnp.float32
    transfer: bool = True

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        x = images.reshape(len(images), -1).astype(self.dtype)
        for n in range(1, self.shape.depth + 1):
            x = nn.relu(Dense(self.shape.width, self.dtype, name=f"dense_{n}")(x))
        return Head(self.shape.classes, self.dtype, self.transfer, name="head")(x)


def build(shape: MLP, *, dtype: Any = jnp.float32, transfer: bool = True) -> MLPClassifier:
    return MLPClassifier(shape, dtype, transfer)


rate_multipliers = of_images(build)
