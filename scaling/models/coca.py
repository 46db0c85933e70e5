"""The Flax module of `scaling.families.coca.CoCa`.

Images are floats [B, H, W, C], captions int32 [B, context]: begin, text, end, then padding.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.data.pairs import PAD
from scaling.families.coca import CoCa
from scaling.models import rates, vocabulary
from scaling.models.attention import FAN_IN, MLP, CrossAttention, LayerNorm, SelfAttention
from scaling.models.product import product
from scaling.models.remat import blockwise
from scaling.models.vit import SMALL, Encoder, Patches

Array = jax.Array
# The temperature's start and least value, as CLIP's (Radford et al. 2021, arXiv:2103.00020).
TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01


class Pooler(nn.Module):
    """Learned queries that attend to a sequence: [B, S, W] -> [B, queries, W]."""

    queries: int
    heads: int
    dtype: Any

    @nn.compact
    def __call__(self, seen_BSW: Array) -> Array:
        B, _, W = seen_BSW.shape
        queries = self.param("queries", nn.initializers.normal(1.0), (self.queries, W))
        asked = jnp.broadcast_to(queries.astype(self.dtype), (B, self.queries, W))
        attention = CrossAttention(self.dtype, bias=True, heads=self.heads, name="pooler")
        return LayerNorm(name="norm")(attention(asked, seen_BSW))


class Decoder(nn.Module):
    """Causal blocks over text; with `seen_BSW` each also attends to the image."""

    depth: int
    heads: int
    hidden: int
    dtype: Any
    remat: bool = False

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, seen_BSW: Array | None = None) -> Array:
        for layer in range(self.depth):

            def block(self: Decoder, x: Array, seen: Array | None, layer: int = layer) -> Array:
                attention = SelfAttention(
                    self.dtype, bias=True, heads=self.heads, causal=True, name=f"attention_{layer}"
                )
                x = x + attention(LayerNorm(name=f"attention_norm_{layer}")(x), mask)
                if seen is not None:
                    cross = CrossAttention(
                        self.dtype, bias=True, heads=self.heads, name=f"cross_{layer}"
                    )
                    x = x + cross(LayerNorm(name=f"cross_norm_{layer}")(x), seen)
                mlp = MLP(self.dtype, bias=True, hidden=self.hidden, name=f"mlp_{layer}")
                return x + mlp(LayerNorm(name=f"mlp_norm_{layer}")(x))

            x = blockwise(block, self.remat)(self, x, seen_BSW)
        return x


class ContrastiveCaptioner(nn.Module):
    """(images, captions) -> unit embeddings of both, the captions' logits, the temperature."""

    shape: CoCa
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False

    def setup(self) -> None:
        s = self.shape
        blocks = (s.heads, s.mlp_width, self.dtype, self.remat)
        self.patch = Patches(s.patch, s.width, self.dtype)
        self.position = self.param("position", SMALL, (s.patches, s.width))
        self.encoder = Encoder(s.depth, *blocks)
        self.caption_pool = Pooler(s.queries, s.heads, self.dtype)
        self.contrast_pool = Pooler(1, s.heads, self.dtype)
        self.image_projection = self.param("image_projection", FAN_IN, (s.width, s.embed))
        self.embedding = self.param("embedding", nn.initializers.normal(1.0), (s.vocab, s.width))
        self.text_token = self.param("text_token", SMALL, (s.width,))
        self.text_position = self.param("text_position", SMALL, (s.context, s.width))
        self.unimodal = Decoder(s.text_depth, *blocks)
        self.text_norm = LayerNorm()
        self.text_projection = self.param("text_projection", FAN_IN, (s.width, s.embed))
        self.multimodal = Decoder(s.text_depth, *blocks)
        self.caption_norm = LayerNorm()
        first = nn.initializers.zeros if self.transfer else FAN_IN
        self.head = self.param("head", first, (s.width, s.vocab))
        self.temperature = self.param("temperature", nn.initializers.constant(log(TEMPERATURE)), ())

    def __call__(self, images: Array, captions: Array, train: bool = False) -> dict[str, Array]:
        """image, text: [B, embed]; logits: [B, context, vocab], at each token for the next one;
        similarities are divided by the temperature."""
        seen = self._seen(images)
        text = self._text(captions)
        x = self.multimodal(text[:, :-1], seen_BSW=seen)
        logits = product(self.caption_norm(x), self.head.astype(self.dtype))
        return {
            "image": self._image_embedding(seen),
            "text": self._text_embedding(text),
            "logits": logits.astype(jnp.float32),
            "temperature": jnp.maximum(jnp.exp(self.temperature), LEAST_TEMPERATURE),
        }

    def encode_image(self, images: Array) -> Array:
        """Unit vectors [B, embed]."""
        return self._image_embedding(self._seen(images))

    def encode_text(self, captions: Array) -> Array:
        """Unit vectors [B, embed]."""
        return self._text_embedding(self._text(captions))

    def _seen(self, images: Array) -> Array:
        """What the image decoder sees of each image: [B, queries, W]."""
        x = self.patch(images) + self.position.astype(self.dtype)
        return self.caption_pool(self.encoder(x))

    def _text(self, captions: Array) -> Array:
        """The unimodal decoder's output, the class token last: [B, context + 1, W]."""
        B, context = captions.shape
        read = vocabulary.rows(self.embedding, captions)
        x = (read + self.text_position[:context]).astype(self.dtype)
        token = self.text_token.astype(self.dtype)
        x = jnp.concatenate([x, jnp.broadcast_to(token, (B, 1, x.shape[-1]))], 1)
        real = jnp.concatenate([captions != PAD, jnp.ones((B, 1), bool)], 1)
        return self.unimodal(x, real[:, None, None, :])

    def _image_embedding(self, seen: Array) -> Array:
        # The published cascade: the contrastive query reads what the captioner's queries found.
        pooled = self.contrast_pool(seen)[:, 0]
        return _unit(product(pooled, self.image_projection.astype(self.dtype)))

    def _text_embedding(self, text: Array) -> Array:
        pooled = self.text_norm(text[:, -1])
        return _unit(product(pooled, self.text_projection.astype(self.dtype)))


def _unit(x: Array) -> Array:
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(x * x, -1, keepdims=True) + 1e-12)


def build(
    shape: CoCa, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> ContrastiveCaptioner:
    return ContrastiveCaptioner(shape, dtype, transfer, remat)


def rate_multipliers(
    params: Any, shape: CoCa, *, base_width: int, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: rates go as the base's fan-in over the leaf's (`models.rates`)."""
    # The base has the same proportions; its heads set no parameter's shape.
    inner = max(1, round(shape.mlp_width * base_width / shape.width))
    base = replace(shape, width=base_width, mlp_width=inner, heads=1)
    images = jnp.zeros((1, shape.image, shape.image, shape.channels))
    captions = jnp.zeros((1, shape.context), jnp.int32)
    return rates.by_fan_in(
        params, build(base), (images, captions), head_rate=head_rate, transfer=transfer
    )
