"""The Flax module of `scaling.families.transformer.Transformer`.

Shapes stand in the names: B batch, T time (context), W width, H heads, D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.transformer import Transformer
from scaling.models.product import product as fast_product

Array = jax.Array
Product = Callable[[Array, Array], Array]
EPSILON = 1e-6
ROPE_BASE = 10_000.0


class RMSNorm(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPSILON) * gain


class Attention(nn.Module):
    shape: Transformer
    dtype: Any
    initial: Callable[..., Array]
    product: Product

    @nn.compact
    def __call__(self, x_BTW: Array) -> Array:
        s = self.shape
        B, T, W = x_BTW.shape
        # One matrix for queries, keys and values: one large product instead of three.
        qkv = self.param("qkv", self.initial, (W, 3 * W))
        out = self.param("out", self.initial, (W, W))
        q, k, v = jnp.split(self.product(x_BTW, qkv.astype(self.dtype)), 3, axis=-1)
        q, k, v = (a.reshape(B, T, s.heads, s.head_dim).swapaxes(1, 2) for a in (q, k, v))
        if s.qk_norm:
            q, k = RMSNorm(name="q_norm")(q), RMSNorm(name="k_norm")(k)
        q, k = _rotate(q), _rotate(k)
        scores = jnp.einsum("bhtd,bhsd->bhts", q, k) * s.head_dim**-0.5
        mask = jnp.tril(jnp.ones((T, T), bool))
        scores = jnp.where(mask, scores, -1e9).astype(jnp.float32)
        weights = jax.nn.softmax(scores).astype(self.dtype)
        mixed = jnp.einsum("bhts,bhsd->bhtd", weights, v)
        return self.product(mixed.swapaxes(1, 2).reshape(B, T, W), out.astype(self.dtype))


class MLP(nn.Module):
    shape: Transformer
    dtype: Any
    initial: Callable[..., Array]
    product: Product

    @nn.compact
    def __call__(self, x: Array) -> Array:
        W, H = self.shape.width, self.shape.mlp_width
        down = self.param("down", self.initial, (H, W)).astype(self.dtype)
        if self.shape.mlp == "gelu":
            up = self.param("up", self.initial, (W, H)).astype(self.dtype)
            return self.product(jax.nn.gelu(self.product(x, up)), down)
        gate_up = self.param("gate_up", self.initial, (W, 2 * H)).astype(self.dtype)
        gate, up = jnp.split(self.product(x, gate_up), 2, axis=-1)
        return self.product(jax.nn.silu(gate) * up, down)


class TransformerLM(nn.Module):
    """Tokens [B, T] -> float32 logits [B, T, vocab]."""

    shape: Transformer
    dtype: Any = jnp.float32
    transfer: bool = True
    product: Product = fast_product

    @nn.compact
    def __call__(self, tokens_BT: Array, train: bool = False) -> Array:
        s = self.shape
        fan_in = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
        table = self.param("embedding", nn.initializers.normal(1.0), (s.vocab, s.width))
        x = table[tokens_BT].astype(self.dtype)
        for layer in range(s.depth):
            attention = Attention(s, self.dtype, fan_in, self.product, name=f"attention_{layer}")
            mlp = MLP(s, self.dtype, fan_in, self.product, name=f"mlp_{layer}")
            x = x + attention(RMSNorm(name=f"attention_norm_{layer}")(x))
            x = x + mlp(RMSNorm(name=f"mlp_norm_{layer}")(x))
        x = RMSNorm(name="final_norm")(x)
        if s.tied:
            # The table has unit entries: 1/W keeps tied logits of order one at every width.
            head = table.T / s.width
        else:
            zeros_or_usual = nn.initializers.zeros if self.transfer else fan_in
            head = self.param("head", zeros_or_usual, (s.width, s.vocab))
        return self.product(x, head.astype(self.dtype)).astype(jnp.float32)


def build(shape: Transformer, *, dtype: Any = jnp.float32, transfer: bool = True) -> TransformerLM:
    return TransformerLM(shape, dtype, transfer)


def rate_multipliers(
    params: Any, shape: Transformer, *, base_width: int, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: what each leaf's learning rate is multiplied by.

    With `transfer`, the rates of Adam under the maximal update parametrisation (Yang et al.,
    arXiv:2203.03466, Table 8): matrices whose fan-in is the width go as 1 / width, the embedding
    and the norms' gains stay. The head's factor on top is tuned once, at `base_width`.
    """
    if not transfer:
        return jax.tree.map(lambda _: 1.0, params)
    by_width = base_width / shape.width

    def multiplier(path: Any, leaf: Array) -> float:
        name = path[-1].key
        if name in ("embedding", "gain"):
            return 1.0
        return by_width * (head_rate if name == "head" else 1.0)

    return jax.tree_util.tree_map_with_path(multiplier, params)


def _rotate(x_BHTD: Array) -> Array:
    *_, T, D = x_BHTD.shape
    frequency = ROPE_BASE ** (-jnp.arange(0, D, 2) / D)
    angle = jnp.arange(T)[:, None] * frequency
    cos, sin = jnp.cos(angle).astype(x_BHTD.dtype), jnp.sin(angle).astype(x_BHTD.dtype)
    a, b = jnp.split(x_BHTD, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)
