"""What the layers of attention families cost: norms, attention, the MLP, for one example. No JAX.

FLOPs of elementwise work are estimates of what XLA counts (exponentials and roots are not in its
FLOPs); numbers kept for the backward pass are those of its compiled buffers on a CPU.
"""

from __future__ import annotations

from dataclasses import replace

from scaling.families.layers import Layer

CUDNN_HEAD, CUDNN_STEP = 128, 8  # head sizes on every GPU that it supports
# XLA's FLOPs of elementwise work on each number.
NORM_FLOPS = {"rms": 4, "layer": 7}
SOFTMAX_FLOPS = 5
ACTIVATION_FLOPS = {"gelu": 9, "swiglu": 5}
# Numbers kept for each number of a norm's output.
NORM_SAVED = {"rms": 2, "layer": 3}


def norm(name: str, tokens: int, width: int, kind: str = "layer") -> Layer:
    """RMSNorm has gains, LayerNorm offsets too."""
    vectors = 2 if kind == "layer" else 1
    size = tokens * width
    return Layer(
        name, "norm", (tokens, width), "norm", vectors * width,
        other_flops=NORM_FLOPS[kind] * size, saved=NORM_SAVED[kind] * size,
    )  # fmt: skip


def matrix(
    name: str, kind: str, group: str, tokens: int, inputs: int, outputs: int,
    *, bias: bool = True, first: bool = False, other_flops: int = 0, saved: int = 0,
) -> Layer:  # fmt: skip
    """A product with a matrix at each of `tokens` positions.

    first: it reads the data, and the backward pass needs no gradient by its input.
    """
    flops = 2 * tokens * inputs * outputs
    return Layer(
        name, kind, (tokens, outputs), group, (inputs + bias) * outputs, flops,
        backward_flops=flops if first else 2 * flops,
        other_flops=other_flops + bias * tokens * outputs, saved=saved,
    )  # fmt: skip


def self_attention(
    name: str, tokens: int, width: int, heads: int,
    *, bias: bool = True, qk_norm: bool = False,
) -> tuple[Layer, ...]:  # fmt: skip
    """Queries, keys, values and the output's matrix; scores and values over the whole sequence.

    A causal mask discards half of the scores, it doesn't save them: they are counted as computed.
    """
    projections = matrix(
        name, "attention_projections", "attention", tokens, width, 4 * width,
        bias=bias, saved=6 * tokens * width,
    )  # fmt: skip
    norms = (qk_norms(name, tokens, width, heads),) if qk_norm else ()
    return (projections, *norms, scores(name, tokens, tokens, width, heads))


def cross_attention(
    name: str, group: str, tokens: int, seen: int, width: int, heads: int
) -> tuple[Layer, ...]:
    """Queries and the output's matrix at `tokens` positions, keys and values at `seen` others."""
    kind = "attention_projections"
    return (
        matrix(f"{name}/q", kind, group, tokens, width, width, saved=tokens * width),
        matrix(f"{name}/kv", kind, group, seen, width, 2 * width, saved=2 * seen * width),
        scores(name, tokens, seen, width, heads),
        matrix(f"{name}/out", kind, group, tokens, width, width, saved=tokens * width),
    )


def qk_norms(name: str, tokens: int, width: int, heads: int) -> Layer:
    """RMSNorm of each head's queries and keys, one gain for all heads."""
    size = 2 * tokens * width
    return Layer(
        f"{name}_qk_norm", "norm", (tokens, 2 * width), "norm", 2 * (width // heads),
        other_flops=NORM_FLOPS["rms"] * size, saved=7 * tokens * width,
    )  # fmt: skip


def scores(name: str, tokens: int, seen: int, width: int, heads: int) -> Layer:
    """Each head's scores over the whole sequence, their softmax, and the mixture of values."""
    flops, size = 2 * 2 * tokens * seen * width, heads * tokens * seen
    return Layer(
        f"{name}_scores", "attention_scores", (heads, tokens, seen), flops=flops,
        backward_flops=2 * flops, other_flops=SOFTMAX_FLOPS * size, saved=3 * size, working=size,
        # A kernel keeps a float32 for each row of scores, and none of the scores.
        fused_saved=2 * heads * tokens if cudnn_takes(width // heads, tokens, seen) else None,
    )  # fmt: skip


def cudnn_takes(head: int, tokens: int, seen: int) -> bool:
    """Whether cuDNN's flash attention trains such heads in half precision: not at odd lengths,
    which JAX (0.11) refuses with a mask or without."""
    return head <= CUDNN_HEAD and not (head % CUDNN_STEP or tokens % 2 or seen % 2)


def mlp(
    name: str, tokens: int, width: int, hidden: int, *, kind: str = "gelu", bias: bool = True
) -> Layer:
    """Two matrices with GELU between them, or SwiGLU's three. A block that is computed again needs
    no second outcome of the last."""
    matrices = 3 if kind == "swiglu" else 2
    flops, inner = 2 * matrices * tokens * width * hidden, tokens * hidden
    biases = width + (matrices - 1) * hidden if bias else 0
    return Layer(
        name, "mlp", (tokens, width), "mlp", matrices * width * hidden + biases, flops,
        backward_flops=2 * flops, other_flops=ACTIVATION_FLOPS[kind] * inner + tokens * biases,
        saved=(2 * matrices - 1) * inner, once_flops=2 * tokens * width * hidden,
    )  # fmt: skip


def block(
    path: str, number: int, tokens: int, width: int, heads: int, hidden: int,
    *, seen: int = 0,
) -> tuple[Layer, ...]:  # fmt: skip
    """A pre-norm block with LayerNorms, biases and GELU, in the Flax module at `path`.

    seen: positions of another sequence that it attends to, behind its own: a decoder's block.
    """

    def at(part: str) -> str:
        return f"{path}/{part}_{number}"

    cross = (
        norm(at("cross_norm"), tokens, width),
        *cross_attention(at("cross"), "cross", tokens, seen, width, heads),
    )
    sums = (3 if seen else 2) * tokens * width
    return in_block(
        f"{path}_{number}",
        norm(at("attention_norm"), tokens, width),
        *self_attention(at("attention"), tokens, width, heads),
        *(cross if seen else ()),
        norm(at("mlp_norm"), tokens, width),
        mlp(at("mlp"), tokens, width, hidden),
        Layer(at("sum"), "sum", (tokens, width), other_flops=sums),
    )


def in_block(name: str, *layers: Layer) -> tuple[Layer, ...]:
    """Layers that are rematerialised together."""
    return tuple(replace(layer, block=name) for layer in layers)


def position(name: str, tokens: int, width: int) -> Layer:
    """Learned positions, added."""
    size = tokens * width
    return Layer(name, "position", (tokens, width), "position", size, other_flops=size, saved=size)


def usual_heads(width: int, *, even: bool = False) -> int:
    """Heads of 64 where the width allows; narrow nets keep at least two heads where they can.

    even: only heads whose size is even.
    """
    target = 64 if width >= 256 else 32 if width >= 64 else 16
    step = 2 if even else 1
    fits = [h for h in range(1, width + 1) if width % h == 0 and (width // h) % step == 0]
    return min(fits, key=lambda h: (abs(width / h - target), h))
