"""A mixture of experts: a router sends each token to its k best experts, whatever their load.

Rows are sorted by expert and laid into blocks of one expert each (`scaling.families.experts`), so
that the products are plain batched ones and only padding is computed beyond the active experts.
On a CPU `jax.lax.ragged_dot` (jax 0.10.2) computes every expert at every row: 4 to 10 times slower
(forward and backward, W 32 to 256, 8 or 16 experts).

Shapes stand in the names: R rows (a token and one of its experts), W width, E experts, K experts
a token, N blocks, b rows of a block.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.experts import blocks
from scaling.models import vocabulary
from scaling.models.attention import FAN_IN, Part

Array = jax.Array
EACH_FAN_IN = nn.initializers.variance_scaling(1.0, "fan_in", "normal", batch_axis=(0,))


class Experts(Part):
    """[B, T, W] -> [B, T, W]. Sows its losses, weighed, in "losses"."""

    hidden: int = 1
    kind: str = "gelu"
    experts: int = 1
    active: int = 1
    balance_weight: float = 0.0
    router_z_weight: float = 0.0

    @nn.compact
    def __call__(self, x_BTW: Array) -> Array:
        W, E, K = x_BTW.shape[-1], self.experts, self.active
        x = x_BTW.reshape(-1, W)
        router = self.param("router", FAN_IN, (W, E))
        # Routing is in float32: a rounded logit would send tokens elsewhere.
        logits = self.product(x.astype(jnp.float32), router)
        chances = jax.nn.softmax(logits)
        weights, chosen_RK = jax.lax.top_k(chances, K)
        if K > 1:
            # One expert keeps its probability as weight: it is the router's only gradient.
            weights = weights / weights.sum(-1, keepdims=True)
        self._sow(logits, chances, chosen_RK)
        rows = jnp.repeat(x, K, axis=0) if K > 1 else x
        found = self._apply(rows, chosen_RK.reshape(-1)).reshape(-1, K, W)
        mixed = (found * weights[..., None].astype(found.dtype)).sum(1)
        return mixed.reshape(x_BTW.shape)

    def _sow(self, logits: Array, chances: Array, chosen: Array) -> None:
        load = jnp.bincount(chosen.reshape(-1), length=self.experts) / chosen.size
        balance = self.experts * jnp.sum(load * chances.mean(0))
        self.sow("losses", "balance", self.balance_weight * balance)
        if self.router_z_weight:
            z = jnp.mean(jax.nn.logsumexp(logits, -1) ** 2)
            self.sow("losses", "router_z", self.router_z_weight * z)

    def _apply(self, rows_RW: Array, expert_R: Array) -> Array:
        """Each row through its expert."""
        W = rows_RW.shape[-1]
        slot_R, of_block_N, block = assign(expert_R, self.experts)
        # The slots that no row takes stay zero, and nobody reads what becomes of them.
        laid = (
            jnp.zeros((len(of_block_N) * block, W), rows_RW.dtype)
            .at[slot_R]
            .set(rows_RW, unique_indices=True)
        )
        found = self._mlp(laid.reshape(-1, block, W).astype(self.dtype), of_block_N)
        return found.reshape(-1, W).at[slot_R].get(unique_indices=True)

    def _mlp(self, x_NbW: Array, expert_N: Array) -> Array:
        W, hidden = x_NbW.shape[-1], self.hidden
        if self.kind == "gelu":
            inner = jax.nn.gelu(self._dense("up", W, hidden, x_NbW, expert_N))
        else:
            both = self._dense("gate_up", W, 2 * hidden, x_NbW, expert_N)
            gate, up = jnp.split(both, 2, axis=-1)
            inner = jax.nn.silu(gate) * up
        return self._dense("down", hidden, W, inner, expert_N)

    def _dense(self, name: str, fan_in: int, fan_out: int, x_NbW: Array, expert_N: Array) -> Array:
        each = self.param(name, EACH_FAN_IN, (self.experts, fan_in, fan_out)).astype(self.dtype)
        out = jnp.einsum("nbw,nwh->nbh", x_NbW, vocabulary.rows(each, expert_N))
        if self.bias:
            zeros = nn.initializers.zeros
            bias = self.param(f"{name}_bias", zeros, (self.experts, fan_out)).astype(self.dtype)
            out = out + vocabulary.rows(bias, expert_N)[:, None]
        return out


def assign(expert_R: Array, experts: int) -> tuple[Array, Array, int]:
    """The slot of each row, the expert of each block, and the rows of a block.

    Rows of one expert follow each other in their first order; each expert begins a new block.
    """
    rows = expert_R.size
    count, block = blocks(rows, experts)
    order = jnp.argsort(expert_R, stable=True)
    load = jnp.bincount(expert_R, length=experts)
    ends = jnp.cumsum(-(-load // block))  # of each expert's blocks
    first_block = ends - -(-load // block)
    first_row = jnp.cumsum(load) - load
    sorted_expert = expert_R[order]
    place = jnp.arange(rows) - first_row[sorted_expert]
    slots = jnp.zeros(rows, jnp.int32).at[order].set(first_block[sorted_expert] * block + place)
    # Blocks behind the last one that is used go to the last expert, empty.
    of_block = jnp.searchsorted(ends, jnp.arange(count), side="right")
    return slots, jnp.minimum(of_block, experts - 1), block
