"""Softmax attention by the platform's own kernel, which never writes the scores down.

GPU: cuDNN's flash attention where type, head size and lengths allow it, else XLA's fused form. TPU:
the Pallas flash attention that comes with JAX. Which one runs is chosen in `fused`, nowhere else; a
CPU has none, and `scaling.models.attention.attend` writes the scores down.

Shapes: B batch, H heads, T positions of the queries, S of the keys, D head size.
"""

from __future__ import annotations

from typing import Literal, Protocol

import jax
import jax.numpy as jnp

from scaling.families.attention import cudnn_takes
from scaling.models import spread

Array = jax.Array
TILE = 128  # a TPU's kernel takes whole ones
# The largest logit is told of so many queries of the first example.
TOLD_QUERIES = 64


class Kernel(Protocol):
    """mask: [B, 1, T, S], true where a position sees another; None where all do. causal: a position
    sees itself and those before it."""

    def __call__(
        self, q: Array, k: Array, v: Array, mask: Array | None, *, causal: bool
    ) -> Array | None:
        """The mixture [B, H, T, D], or None where the kernel doesn't take such arrays."""
        ...


def fused(q: Array, k: Array, v: Array, mask: Array | None, *, causal: bool) -> Array | None:
    """The mixture, or None where there is no kernel for it."""
    kernels: dict[str, Kernel] = {"gpu": on_gpu, "tpu": on_tpu}
    kernel = kernels.get(jax.default_backend())
    return None if kernel is None else kernel(q, k, v, mask, causal=causal)


def whole_mask(q: Array, k: Array, mask: Array | None) -> Array | None:
    """A mask with all its axes, [B, 1, T, S], of one that leaves some to be spread."""
    return mask if mask is None else jnp.broadcast_to(mask, (len(q), 1, q.shape[2], k.shape[2]))


def on_gpu(q: Array, k: Array, v: Array, mask: Array | None, *, causal: bool) -> Array:
    """`jax.nn.dot_product_attention`, whose axes are [B, T, H, D]. A mask would enter cuDNN's
    kernel as a bias as large as the scores: XLA's form has no need of it."""
    half = q.dtype in (jnp.bfloat16, jnp.float16)
    fits = mask is None and cudnn_takes(q.shape[3], q.shape[2], k.shape[2])
    kernel: Literal["cudnn", "xla"] = "cudnn" if half and fits else "xla"
    q, k, v = (a.swapaxes(1, 2) for a in (q, k, v))
    mixed = jax.nn.dot_product_attention(
        q,
        k,
        v,
        mask=mask,
        is_causal=causal,
        implementation=kernel,
    )
    return mixed.swapaxes(1, 2)


def on_tpu(q: Array, k: Array, v: Array, mask: Array | None, *, causal: bool) -> Array | None:
    """Whole tiles, and no mask but the causal one."""
    if mask is not None or q.shape[2] % TILE or k.shape[2] % TILE or q.shape[3] % TILE:
        return None
    from jax.experimental.pallas.ops.tpu.flash_attention import flash_attention

    def local(q: Array, k: Array, v: Array) -> Array:
        mixed: Array = flash_attention(q, k, v, causal=causal, sm_scale=q.shape[-1] ** -0.5)
        return mixed

    return spread.each_example(local, q, k, v)


def told_logit(q: Array, k: Array, mask: Array | None, *, causal: bool) -> Array:
    """The largest logit of some queries of the first example: kernels tell of none."""
    T, S, D = q.shape[2], k.shape[2], q.shape[3]
    rows = jnp.arange(0, T, -(-T // TOLD_QUERIES))
    scores = jnp.einsum("htd,hsd->hts", q[0][:, rows], k[0]) * D**-0.5
    if causal:
        scores = jnp.where(rows[:, None] >= jnp.arange(S), scores, -jnp.inf)
    if mask is not None:
        scores = jnp.where(mask[0, 0][rows], scores, -jnp.inf)
    largest: Array = scores.astype(jnp.float32).max()
    return largest
