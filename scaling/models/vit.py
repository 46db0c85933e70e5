"""The Flax module of `scaling.families.vit.ViT`: float images [B, H, W, C] -> logits [B, classes].

Pre-norm blocks, as in Dosovitskiy et al. (arXiv:2010.11929); GELU in its tanh form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.vit import ViT
from scaling.models import rates
from scaling.models.attention import FAN_IN, MLP, LayerNorm, SelfAttention
from scaling.models.product import product
from scaling.models.remat import blockwise

Array = jax.Array
# Positions and learned tokens begin small beside the patches, which are of order one.
SMALL = nn.initializers.normal(0.02)


class Patches(nn.Module):
    """Images [B, side, side, C] -> one vector a patch, its position added: [B, patches, W]."""

    patch: int
    width: int
    dtype: Any

    @nn.compact
    def __call__(self, images: Array) -> Array:
        B, side, _, C = images.shape
        p, grid = self.patch, side // self.patch
        # Patches don't overlap: their convolution is one product.
        cut = images.reshape(B, grid, p, grid, p, C).swapaxes(2, 3).reshape(B, grid**2, p * p * C)
        kernel = self.param("kernel", FAN_IN, (p * p * C, self.width)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.width,)).astype(self.dtype)
        return product(cut.astype(self.dtype), kernel) + bias


class Encoder(nn.Module):
    """Blocks that see all of a sequence, and a norm at their end: [B, T, W] -> [B, T, W]."""

    depth: int
    heads: int
    hidden: int
    dtype: Any
    remat: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for layer in range(self.depth):

            def block(self: Encoder, x: Array, layer: int = layer) -> Array:
                attention = SelfAttention(
                    self.dtype, bias=True, heads=self.heads, name=f"attention_{layer}"
                )
                mlp = MLP(self.dtype, bias=True, hidden=self.hidden, name=f"mlp_{layer}")
                x = x + attention(LayerNorm(name=f"attention_norm_{layer}")(x))
                return x + mlp(LayerNorm(name=f"mlp_norm_{layer}")(x))

            x = blockwise(block, self.remat)(self, x)
        return LayerNorm(name="final_norm")(x)


class VisionTransformer(nn.Module):
    shape: ViT
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        x = Patches(s.patch, s.width, self.dtype, name="patch")(images)
        if s.pool == "token":
            token = self.param("token", nn.initializers.zeros, (s.width,)).astype(self.dtype)
            x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, s.width)), x], 1)
        x = x + self.param("position", SMALL, (s.tokens, s.width)).astype(self.dtype)
        x = Encoder(s.depth, s.heads, s.mlp_width, self.dtype, self.remat, name="encoder")(x)
        pooled = x[:, 0] if s.pool == "token" else x.mean(1)
        first = nn.initializers.zeros if self.transfer else FAN_IN
        head = self.param("head", first, (s.width, s.classes)).astype(self.dtype)
        bias = self.param("head_bias", nn.initializers.zeros, (s.classes,))
        return product(pooled, head).astype(jnp.float32) + bias


def build(
    shape: ViT, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> VisionTransformer:
    return VisionTransformer(shape, dtype, transfer, remat)


def rate_multipliers(
    params: Any, shape: ViT, *, base_width: int, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: rates go as the base's fan-in over the leaf's (`models.rates`)."""
    # The base has the same proportions; its heads set no parameter's shape.
    inner = max(1, round(shape.mlp_width * base_width / shape.width))
    base = replace(shape, width=base_width, mlp_width=inner, heads=1)
    images = jnp.zeros((1, shape.image, shape.image, shape.channels))
    return rates.by_fan_in(params, build(base), (images,), head_rate=head_rate, transfer=transfer)
