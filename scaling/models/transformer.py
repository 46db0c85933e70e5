"""The Flax module of `scaling.families.transformer.Transformer`.

Shapes stand in the names: B batch, T time (context).
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.transformer import Transformer
from scaling.models import vocabulary
from scaling.models.attention import FAN_IN, MLP, NORMS, Product, SelfAttention
from scaling.models.experts import Experts
from scaling.models.product import product as fast_product
from scaling.models.remat import blockwise

Array = jax.Array
# Learned positions begin at half of the token table's scale, as GPT-2's.
POSITION = nn.initializers.normal(0.5)


class TransformerLM(nn.Module):
    """Tokens [B, T] -> float32 logits [B, T, vocab]."""

    shape: Transformer
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False
    product: Product = fast_product

    @nn.compact
    def __call__(self, tokens_BT: Array, train: bool = False) -> Array:
        s, T = self.shape, tokens_BT.shape[1]
        norm, rotary = NORMS[s.norm], s.positions == "rotary"
        table = self.param("embedding", nn.initializers.normal(1.0), (s.vocab, s.width))
        x = vocabulary.rows(table, tokens_BT).astype(self.dtype)
        if not rotary:
            position = self.param("position", POSITION, (s.context, s.width))
            x = x + position[:T].astype(self.dtype)
        how = {"dtype": self.dtype, "bias": s.bias, "product": self.product}
        for layer in range(s.depth):

            def block(self: TransformerLM, x: Array, layer: int = layer) -> Array:
                attention = SelfAttention(
                    **how, heads=s.heads, causal=True, qk_norm=s.qk_norm, rotary=rotary,
                    name=f"attention_{layer}",
                )  # fmt: skip
                x = x + attention(norm(name=f"attention_norm_{layer}")(x))
                mixed: Array = self._mlp(how, f"mlp_{layer}")(norm(name=f"mlp_norm_{layer}")(x))
                return x + mixed

            x = blockwise(block, self.remat)(self, x)
        x = norm(name="final_norm")(x)
        if s.tied:
            # The table has unit entries: 1/W keeps tied logits of order one at every width.
            head = table.T / s.width
        else:
            zeros_or_usual = nn.initializers.zeros if self.transfer else FAN_IN
            head = self.param("head", zeros_or_usual, (s.width, s.vocab))
        return vocabulary.logits(self.product, x, head.astype(self.dtype)).astype(jnp.float32)

    def _mlp(self, how: dict[str, Any], name: str) -> nn.Module:
        s = self.shape
        if s.experts == 1:
            return MLP(**how, hidden=s.mlp_width, kind=s.mlp, name=name)
        return Experts(
            **how,
            hidden=s.mlp_width,
            kind=s.mlp,
            experts=s.experts,
            active=s.experts_per_token,
            balance_weight=s.balance_weight,
            router_z_weight=s.router_z_weight,
            name=name,
        )


def build(
    shape: Transformer, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> TransformerLM:
    return TransformerLM(shape, dtype, transfer, remat)


def rate_multipliers(
    params: Any, shape: Transformer, *, base_width: int, head_rate: float, transfer: bool
) -> Any:
    """A tree like `params`: matrices whose fan-in grows with the width go as 1 / width.

    Every such fan-in is taken as proportional to the width: SwiGLU's inner one is but for its
    rounding to a multiple of 8.
    """
    if not transfer:
        return jax.tree.map(lambda _: 1.0, params)
    by_width = base_width / shape.width

    def multiplier(path: Any, leaf: Array) -> float:
        name = path[-1].key
        if name in ("embedding", "position", "gain", "offset") or name.endswith("bias"):
            return 1.0
        return by_width * (head_rate if name == "head" else 1.0)

    return jax.tree_util.tree_map_with_path(multiplier, params)
