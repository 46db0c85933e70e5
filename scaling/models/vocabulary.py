"""A table of rows at both ends of a model, in forms that a GPU is fast at and repeats to the bit.

- Logits. The fast products of a GPU take columns by multiples of 8; with GPT-2's 50,257 tokens all
  three products of the head fell to a slower kernel: 54 of 176 ms of a step of 124 M parameters,
  19 with filled columns (H100, bfloat16). So columns of zeros are added and their logits cut off.
- Rows that are read. The gradient sums over all places that read a row, which a GPU does in the
  order that its threads come; here the order is fixed.

On a CPU, and on a mesh, whose parts of a table these forms would change, both are JAX's own.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from scaling.models import spread

Array = jax.Array
# Columns are filled up to multiples of this, where there are many.
FILLED, MANY = 64, 4096
# Up to so many rows their sums are one product; of more, sums along sorted places.
FEW = 1024


def logits(product: Callable[[Array, Array], Array], x: Array, head: Array) -> Array:
    """product(x [..., W], head [W, vocab]) -> [..., vocab]."""
    vocab = head.shape[-1]
    missing = -vocab % FILLED
    if _plain() or vocab < MANY or not missing:
        return product(x, head)
    return product(x, jnp.pad(head, ((0, 0), (0, missing))))[..., :vocab]


def rows(table: Array, index: Array) -> Array:
    """table[index]: of a table [rows, ...], whatever the shape of `index`."""
    return table[index] if _plain() else _rows(table, index)


def _plain() -> bool:
    return jax.default_backend() == "cpu" or spread.spread()


@jax.custom_vjp
def _rows(table: Array, index: Array) -> Array:
    return table[index]


def _forward(table: Array, index: Array) -> tuple[Array, tuple[Array, Array]]:
    return table[index], (table, index)


def _backward(saved: tuple[Array, Array], by_read: Array) -> tuple[Array, None]:
    table, index = saved
    summed = by_product if len(table) <= FEW else by_order
    flat = summed(index.reshape(-1), by_read.reshape(index.size, -1), len(table))
    return flat.reshape(table.shape).astype(table.dtype), None


_rows.defvjp(_forward, _backward)


def by_product(index_n: Array, values_nW: Array, rows: int) -> Array:
    """The sum of the values of each row [rows, W]."""
    chosen = jax.nn.one_hot(index_n, rows, dtype=values_nW.dtype)
    exact = jax.lax.Precision.HIGHEST
    return jnp.einsum("nr,nw->rw", chosen, values_nW, precision=exact)


def by_order(index_n: Array, values_nW: Array, rows: int) -> Array:
    """The same: places sorted by row, running sums that begin anew with each row."""
    order = jnp.argsort(index_n, stable=True)
    index, values = index_n[order], values_nW[order]
    changes = index[1:] != index[:-1]
    begins, ends = jnp.append(True, changes), jnp.append(changes, True)

    def add(before: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[Array, Array]:
        begun = before[0] | now[0]
        return begun, jnp.where(now[0][:, None], now[1], before[1] + now[1])

    _, sums = jax.lax.associative_scan(add, (begins, values))
    # Where a row ends its sum is whole; all other places go nowhere, each to one of its own.
    place = jnp.where(ends, index, rows + jnp.arange(len(index)))
    empty = jnp.zeros((rows, values.shape[1]), values.dtype)
    return empty.at[place].set(sums, mode="drop", unique_indices=True)
