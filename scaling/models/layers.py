"""The Flax layers that image models share. Shapes: B batch, H height, W width, C channels."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.models.convolution import convolution
from scaling.models.pooling import max_pool as max_pool
from scaling.models.product import product

Array = jax.Array
# ReLU halves the variance (He et al. 2015, arXiv:1502.01852); a head is behind no ReLU of its own.
HE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
FAN_IN = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
MOMENTUM = 0.9
EPSILON = 1e-5


class Dense(nn.Module):
    """[..., m] -> [..., features]."""

    features: int
    dtype: Any = jnp.float32
    initial: nn.initializers.Initializer = HE

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", self.initial, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return product(x, kernel.astype(self.dtype)) + bias.astype(self.dtype)


class Head(nn.Module):
    """[B, m] -> float32 logits [B, classes]; starts at zero where rates are transferred."""

    classes: int
    dtype: Any
    transfer: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        initial = nn.initializers.zeros if self.transfer else FAN_IN
        kernel = self.param("kernel", initial, (x.shape[-1], self.classes))
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        return product(x, kernel.astype(self.dtype)).astype(jnp.float32) + bias


class Convolution(nn.Module):
    """[B, H, W, C] -> [B, H', W', features]; the padding keeps the side at stride 1 by default."""

    features: int
    window: int
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    bias: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        inputs = x.shape[-1] // self.groups
        kernel = self.param("kernel", HE, (self.window, self.window, inputs, self.features))
        x = convolution(
            x,
            kernel.astype(self.dtype),
            stride=self.stride,
            padding=self.window // 2 if self.padding is None else self.padding,
            groups=self.groups,
        )
        if self.bias:
            x = x + self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return x


BatchNorm = partial(nn.BatchNorm, momentum=MOMENTUM, epsilon=EPSILON)
