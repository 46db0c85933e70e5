"""The Flax module of `scaling.families.alexnet.AlexNet`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.alexnet import GROUPED, NEIGHBOURS, WINDOWS, AlexNet
from scaling.models.layers import Convolution, Dense, Head, max_pool

Array = jax.Array
# Of the response normalisation: section 3.3.
BIAS, ALPHA, BETA = 2.0, 1e-4, 0.75


class AlexNetClassifier(nn.Module):
    """Images [B, H, W, C] -> float32 logits [B, classes]; trains with the key "dropout"."""

    shape: AlexNet
    dtype: Any = jnp.float32
    transfer: bool = True

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        window, stride, padding = s.stem
        x = images.astype(self.dtype)
        x = self._convolution(1, s.width, window, stride, padding)(x)
        x = self._after(x, 1)
        blocks = zip(s.convolutions, WINDOWS, GROUPED, strict=True)
        for n, (features, window, grouped) in enumerate(blocks, 2):
            x = self._convolution(n, features, window, groups=s.groups if grouped else 1)(x)
            x = self._after(x, n)
        self.sow("intermediates", "features", x)
        x = x.reshape(len(x), -1)
        for n in (1, 2):
            x = nn.relu(Dense(s.dense_width, self.dtype, name=f"dense_{n}")(x))
            x = nn.Dropout(s.dropout, deterministic=not train)(x)
        return Head(s.classes, self.dtype, self.transfer, name="head")(x)

    def _convolution(
        self,
        n: int,
        features: int,
        window: int,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
    ) -> Convolution:
        return Convolution(
            features, window, stride, padding, groups, True, self.dtype, name=f"convolution_{n}"
        )

    def _after(self, x: Array, n: int) -> Array:
        x = nn.relu(x)
        if n <= 2 and self.shape.response_norm:
            x = response_norm(x)
        if n in (1, 2, 5) and (x.shape[1] > 1 or self.shape.layout == "imagenet"):
            x = max_pool(x, self.shape.pool, 2)
        return x


def response_norm(x: Array) -> Array:
    """Local response normalisation over neighbouring channels."""
    edge = NEIGHBOURS // 2
    squares = jax.lax.reduce_window(
        x * x, 0.0, jax.lax.add, (1, 1, 1, NEIGHBOURS), (1, 1, 1, 1), (*((0, 0),) * 3, (edge, edge))
    )
    normalised: Array = x * (BIAS + ALPHA * squares) ** -BETA
    return normalised


def build(shape: AlexNet, *, dtype: Any = jnp.float32, transfer: bool = True) -> AlexNetClassifier:
    return AlexNetClassifier(shape, dtype, transfer)


def rate_multipliers(
    params: Any, shape: AlexNet, *, base_width: int, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: all ones; no rule carries this family's rates from width to width."""
    return jax.tree.map(lambda _: 1.0, params)
