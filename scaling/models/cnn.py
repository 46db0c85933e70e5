"""The Flax module of `scaling.families.cnn.CNN`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.cnn import CNN
from scaling.models.layers import BatchNorm, Convolution, Head, max_pool
from scaling.models.rates import of_images
from scaling.models.remat import blockwise

Array = jax.Array


class CNNClassifier(nn.Module):
    """Images [B, H, W, C] -> float32 logits [B, classes]."""

    shape: CNN
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        batch_norm = s.norm == "batch"
        x = images.astype(self.dtype)
        n = 0
        for stage, convolutions in enumerate(s.convolutions()):
            if stage:
                x = max_pool(x, 2, 2)
            for _ in range(convolutions):
                n += 1

                def block(
                    self: CNNClassifier, x: Array, n: int = n, features: int = 2**stage * s.width
                ) -> Array:
                    x = Convolution(
                        features, 3, bias=not batch_norm, dtype=self.dtype, name=f"convolution_{n}"
                    )(x)
                    if batch_norm:
                        x = BatchNorm(not train, dtype=self.dtype, name=f"norm_{n}")(x)
                    return nn.relu(x)

                x = blockwise(block, self.remat)(self, x)
        self.sow("intermediates", "features", x)
        x = x.mean((1, 2))
        return Head(s.classes, self.dtype, self.transfer, name="head")(x)


def build(
    shape: CNN, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> CNNClassifier:
    return CNNClassifier(shape, dtype, transfer, remat)


rate_multipliers = of_images(build)
