"""The Flax module of `scaling.families.vgg.VGG`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.vgg import CHANNELS, STAGES, VGG
from scaling.models.layers import BatchNorm, Convolution, Dense, Head, max_pool
from scaling.models.rates import of_images
from scaling.models.remat import blockwise

Array = jax.Array


class VGGClassifier(nn.Module):
    """Images [B, H, W, C] -> float32 logits [B, classes]; trains with the key "dropout"."""

    shape: VGG
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        x = images.astype(self.dtype)
        n = 0
        for stage, convolutions in enumerate(STAGES[s.depth]):
            for _ in range(convolutions):
                n += 1

                def block(
                    self: VGGClassifier,
                    x: Array,
                    n: int = n,
                    features: int = CHANNELS[stage] * s.width,
                ) -> Array:
                    x = Convolution(
                        features, 3, bias=True, dtype=self.dtype, name=f"convolution_{n}"
                    )(x)
                    if s.norm == "batch":
                        x = BatchNorm(not train, dtype=self.dtype, name=f"norm_{n}")(x)
                    return nn.relu(x)

                x = blockwise(block, self.remat)(self, x)
            if x.shape[1] > 1 or s.layout == "imagenet":
                x = max_pool(x, 2, 2)
        self.sow("intermediates", "features", x)
        x = x.reshape(len(x), -1)
        for n in (1, 2):
            x = nn.relu(Dense(s.dense_width, self.dtype, name=f"dense_{n}")(x))
            x = nn.Dropout(s.dropout, deterministic=not train)(x)
        return Head(s.classes, self.dtype, self.transfer, name="head")(x)


def build(
    shape: VGG, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> VGGClassifier:
    return VGGClassifier(shape, dtype, transfer, remat)


rate_multipliers = of_images(build)
