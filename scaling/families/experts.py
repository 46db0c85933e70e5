"""A mixture of experts in the place of an MLP: what it holds, what a token meets, what is computed.

Top-k routing without a capacity: no token is dropped. No JAX.
"""

from __future__ import annotations

from dataclasses import replace

from scaling.families.attention import matrix, mlp
from scaling.families.layers import Layer

# Rows of a block: large enough for a fast product, small enough that little of it is padding.
SMALLEST_BLOCK, LARGEST_BLOCK = 8, 64


def mixture(
    name: str, tokens: int, width: int, hidden: int, *, kind: str, bias: bool,
    number: int, active: int,
) -> tuple[Layer, ...]:  # fmt: skip
    """The router and the experts. Parameters of all of them, FLOPs of the active ones, as is the
    convention in print; what padding costs on top depends on the batch (`rows`). What experts give
    out is needed for the gradient of their weights: all of it is computed again."""
    one = mlp(name, active * tokens, width, hidden, kind=kind, bias=bias)
    router = matrix(
        f"{name}/router", "router", "router", tokens, width, number, bias=False,
        other_flops=6 * tokens * number, saved=4 * tokens * number,
    )  # fmt: skip
    # The rows of the active experts are gathered, and weighed and added back.
    moved = 2 * active * tokens * width
    return (
        router,
        replace(
            one, out=(tokens, width), parameters=number * one.parameters,
            other_flops=one.other_flops + moved, saved=one.saved + 2 * moved, once_flops=0,
        ),
    )  # fmt: skip


def blocks(rows: int, number: int) -> tuple[int, int]:
    """Into how many blocks of how many rows a batch's `rows` (tokens x active experts) go.

    A block is of one expert, so each of the `number` experts may leave its last one part empty;
    there are enough blocks for every routing. A block has about half of an expert's even share.
    """
    share = max(1, rows // (2 * number))
    block = min(LARGEST_BLOCK, max(SMALLEST_BLOCK, 1 << (share.bit_length() - 1)))
    return (rows + number * (block - 1)) // block, block


def computed_rows(rows: int, number: int) -> int:
    """Rows of the products that a batch's `rows` cost, padding included."""
    count, block = blocks(rows, number)
    return count * block
