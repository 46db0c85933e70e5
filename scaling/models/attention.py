"""What the attention families are built of: norms, attention and the MLP of a block.

Shapes stand in the names: B batch, T positions of the queries, S of the keys, W width, H heads,
D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.models import kernels, spread
from scaling.models.product import product as fast_product
from scaling.models.tell import tell

Array = jax.Array
Product = Callable[[Array, Array], Array]
EPSILON = 1e-6
ROPE_BASE = 10_000.0
FAN_IN = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


class RMSNorm(nn.Module):
    """The mean square in float32, the outcome in the input's type."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        wide = x.astype(jnp.float32)
        scale = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + EPSILON)
        return (wide * scale * gain).astype(x.dtype)


class LayerNorm(nn.Module):
    """Mean and variance in float32, the outcome in the input's type."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        offset = self.param("offset", nn.initializers.zeros, (x.shape[-1],))
        centred = x.astype(jnp.float32) - jnp.mean(x, -1, keepdims=True, dtype=jnp.float32)
        scale = jax.lax.rsqrt(jnp.mean(centred * centred, -1, keepdims=True) + EPSILON)
        return (centred * scale * gain + offset).astype(x.dtype)


NORMS = {"rms": RMSNorm, "layer": LayerNorm}


class Part(nn.Module):
    """A part of a block: how it multiplies, and whether its products have biases."""

    dtype: Any = jnp.float32
    bias: bool = False
    product: Product = fast_product

    def matrix(self, name: str, fan_in: int, fan_out: int) -> Array:
        return self.param(name, FAN_IN, (fan_in, fan_out)).astype(self.dtype)

    def biased(self, name: str, x: Array) -> Array:
        if not self.bias:
            return x
        return x + self.param(name, nn.initializers.zeros, (x.shape[-1],)).astype(self.dtype)

    def told(self, attended: tuple[Array, Array]) -> Array:
        """The mixture; the largest logit is telemetry, computed only where that is asked for."""
        mixed, largest = attended
        tell(self, "attention_logit", largest)
        return mixed


class SelfAttention(Part):
    """causal: a position sees itself and those before it. mask: [B, 1, T, T], true where a position
    sees another; None where all do."""

    heads: int = 1
    causal: bool = False
    qk_norm: bool = False
    rotary: bool = False

    @nn.compact
    def __call__(self, x_BTW: Array, mask: Array | None = None) -> Array:
        W = x_BTW.shape[-1]
        # One matrix for queries, keys and values: one large product instead of three.
        qkv, out = self.matrix("qkv", W, 3 * W), self.matrix("out", W, W)
        q, k, v = jnp.split(self.biased("qkv_bias", self.product(x_BTW, qkv)), 3, axis=-1)
        q, k, v = (split_heads(a, self.heads) for a in (q, k, v))
        if self.qk_norm:
            q, k = RMSNorm(name="q_norm")(q), RMSNorm(name="k_norm")(k)
        if self.rotary:
            q, k = _rotate(q), _rotate(k)
        mixed = self.told(attend(q, k, v, mask, self.dtype, causal=self.causal))
        return self.biased("out_bias", self.product(mixed, out))


class CrossAttention(Part):
    """Queries from one sequence, keys and values from another; every query sees every key."""

    heads: int = 1

    @nn.compact
    def __call__(self, x_BTW: Array, seen_BSW: Array) -> Array:
        W = x_BTW.shape[-1]
        to_q, to_kv = self.matrix("q", W, W), self.matrix("kv", W, 2 * W)
        out = self.matrix("out", W, W)
        q = self.biased("q_bias", self.product(x_BTW, to_q))
        k, v = jnp.split(self.biased("kv_bias", self.product(seen_BSW, to_kv)), 2, axis=-1)
        q, k, v = (split_heads(a, self.heads) for a in (q, k, v))
        mixed = self.told(attend(q, k, v, None, self.dtype))
        return self.biased("out_bias", self.product(mixed, out))


class MLP(Part):
    hidden: int = 1
    kind: str = "gelu"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        W = x.shape[-1]
        down = self.matrix("down", self.hidden, W)
        if self.kind == "gelu":
            up = self.matrix("up", W, self.hidden)
            inner = jax.nn.gelu(self.biased("up_bias", self.product(x, up)))
        else:
            gate, up = self._gate_and_up(x, self.matrix("gate_up", W, 2 * self.hidden))
            inner = jax.nn.silu(gate) * up
        return self.biased("down_bias", self.product(inner, down))

    def _gate_and_up(self, x: Array, gate_up: Array) -> list[Array]:
        """By one product on a CPU. On a GPU by two: there the gradients of both, written side by
        side for one product, take longer to write than a second product takes."""
        if jax.default_backend() == "cpu" or spread.spread() or self.bias:
            both = self.biased("gate_up_bias", self.product(x, gate_up))
            return jnp.split(both, 2, axis=-1)
        return [self.product(x, part) for part in jnp.split(gate_up, 2, axis=-1)]


def split_heads(x_BTW: Array, heads: int) -> Array:
    B, T, W = x_BTW.shape
    return x_BTW.reshape(B, T, heads, W // heads).swapaxes(1, 2)


def attend(
    q_BHTD: Array,
    k_BHSD: Array,
    v_BHSD: Array,
    mask: Array | None,
    dtype: Any,
    *,
    causal: bool = False,
) -> tuple[Array, Array]:
    """Softmax attention, its heads joined again [B, T, W], and the largest logit of any head.

    The softmax is float32. mask: true where a position sees another; spread to [B, 1, T, S].
    """
    B, H, T, D = q_BHTD.shape
    mask = kernels.whole_mask(q_BHTD, k_BHSD, mask)
    fused = kernels.fused(q_BHTD, k_BHSD, v_BHSD, mask, causal=causal)
    if fused is not None:
        largest = kernels.told_logit(q_BHTD, k_BHSD, mask, causal=causal)
        return fused.swapaxes(1, 2).reshape(B, T, H * D), largest
    if causal:
        before = jnp.tril(jnp.ones((T, k_BHSD.shape[2]), bool))
        mask = before if mask is None else mask & before
    scores = jnp.einsum("bhtd,bhsd->bhts", q_BHTD, k_BHSD) * D**-0.5
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    scores = scores.astype(jnp.float32)
    weights = jax.nn.softmax(scores).astype(dtype)
    mixed = jnp.einsum("bhts,bhsd->bhtd", weights, v_BHSD)
    # By row first, as softmax does it: one reduction serves both.
    largest = scores.max(-1).max()
    return mixed.swapaxes(1, 2).reshape(B, T, H * D), largest


def _rotate(x_BHTD: Array) -> Array:
    *_, T, D = x_BHTD.shape
    frequency = ROPE_BASE ** (-jnp.arange(0, D, 2) / D)
    angle = jnp.arange(T)[:, None] * frequency
    cos, sin = jnp.cos(angle).astype(x_BHTD.dtype), jnp.sin(angle).astype(x_BHTD.dtype)
    a, b = jnp.split(x_BHTD, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)
