"""A model's parameters, counted exactly from its configuration, for the shapes that people train.

GPT-2 (nanoGPT among them), Llama and Mistral, Qwen2, GPT-NeoX (Pythia), OLMo and OLMo 2, as
Hugging Face's classes of those names build them. Held against published counts in
tests/importers/test_shapes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Where each dimension stands, under any of the names that configurations give it.
_DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "d": ("n_embd", "hidden_size", "d_model", "hidden_dim"),
    "layers": ("n_layer", "num_hidden_layers", "n_layers", "num_layers"),
    "heads": ("n_head", "num_attention_heads", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "n_kv_heads", "num_kv_heads"),
    "head_dim": ("head_dim",),
    "inner": ("n_inner", "intermediate_size", "intermediate_dim", "mlp_hidden_size"),
    "vocab": ("vocab_size", "padded_vocab_size"),
    "context": ("n_positions", "block_size", "max_position_embeddings", "n_ctx"),
}
_KINDS = ("model_type", "type", "architecture", "family")
_NANOGPT = {"n_layer", "n_embd", "block_size", "bias"}  # it names no kind
# LitGPT's names, which has those of nanoGPT, too, and models of other shapes.
_NO_NANOGPT = {"n_query_groups", "mlp_class_name", "norm_class_name", "rotary_percentage"}


@dataclass(frozen=True)
class Counts:
    """Parameters of a model. N: without tables of the vocabulary and of positions; N_total: all;
    kind: the shape that was counted; vocab: its vocabulary."""

    N: int
    N_total: int
    kind: str
    vocab: int


@dataclass(frozen=True)
class _Shape:
    d: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int | None
    vocab: int
    context: int
    tied: bool | None
    bias: bool | None


def counts(config: Mapping[str, Any]) -> Counts | None:
    """Exact counts, or None where the configuration names no kind of model that is known here, or
    lacks a dimension."""
    flat = _innermost(config)
    kind = next((str(flat[key]).lower() for key in _KINDS if key in flat), "")
    kind = kind.replace("-", "_")
    if not kind and set(flat) >= _NANOGPT and not set(flat) & _NO_NANOGPT:
        kind = "nanogpt"
    count, shape = _COUNTED.get(kind), _shape(flat)
    if count is None or shape is None or _unusual(kind, flat):
        return None
    body, tables = count(shape)
    return Counts(body, body + tables, kind, shape.vocab)


def _unusual(kind: str, flat: Mapping[str, Any]) -> bool:
    """Whether it has biases that its kind usually has not, or lacks those that it has."""
    usual = kind == "gpt_neox"
    return _flag(flat, "attention_bias") is (not usual) or _flag(flat, "mlp_bias") is True


def _innermost(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by the last part of their names, those of a model before any others'."""
    plain = [(key.rpartition(".")[0], key.rpartition(".")[2], v) for key, v in config.items()]
    plain.sort(key=lambda item: ("model" in item[0], -len(item[0])))
    return {last: value for _, last, value in plain}


def _shape(flat: Mapping[str, Any]) -> _Shape | None:
    found: dict[str, int] = {}
    for ours, names in _DIMENSIONS.items():
        for name in names:
            value = _whole(flat.get(name))
            if value is not None:
                found[ours] = value
                break
    if not {"d", "layers", "heads", "vocab"} <= set(found):
        return None
    heads = found["heads"]
    return _Shape(
        found["d"],
        found["layers"],
        heads,
        found.get("kv_heads", heads),
        found.get("head_dim", found["d"] // heads),
        found.get("inner"),
        found["vocab"],
        found.get("context", 0),
        _flag(flat, "tie_word_embeddings", "weight_tying"),
        _flag(flat, "bias"),
    )


def _whole(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number > 0 and number.is_integer() else None


def _flag(flat: Mapping[str, Any], *names: str) -> bool | None:
    for name in names:
        if name in flat:
            return str(flat[name]).lower() in ("true", "1", "1.0")
    return None


def _tables(shape: _Shape, tied: bool) -> int:
    """Embedding and unembedding, one where they are tied."""
    return shape.vocab * shape.d * (1 if (tied if shape.tied is None else shape.tied) else 2)


def _attention(shape: _Shape) -> int:
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return 2 * shape.d * queries + 2 * shape.d * keys


def _gpt2(shape: _Shape) -> tuple[int, int]:
    d, bias = shape.d, shape.bias is not False
    inner = shape.inner or 4 * d
    layer = 4 * d * d + 2 * d * inner + 2 * d
    layer += (4 * d + inner + d + 2 * d) if bias else 0  # of products and of norms
    body = shape.layers * layer + d + (d if bias else 0)
    return body, _tables(shape, tied=True) + shape.context * d


def _llama(shape: _Shape, *, qkv_bias: bool = False, tied: bool = False) -> tuple[int, int]:
    inner = shape.inner or 4 * shape.d
    layer = _attention(shape) + 3 * shape.d * inner + 2 * shape.d
    if qkv_bias:
        layer += (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    return shape.layers * layer + shape.d, _tables(shape, tied)


def _neox(shape: _Shape) -> tuple[int, int]:
    d, inner = shape.d, shape.inner or 4 * shape.d
    layer = 4 * d * d + 4 * d + 2 * d * inner + inner + d + 4 * d
    return shape.layers * layer + 2 * d, _tables(shape, tied=False)


def _olmo(shape: _Shape) -> tuple[int, int]:
    # Norms without parameters.
    inner = shape.inner or 4 * shape.d
    return shape.layers * (_attention(shape) + 3 * shape.d * inner), _tables(shape, tied=False)


def _olmo2(shape: _Shape) -> tuple[int, int]:
    body, tables = _llama(shape)
    norms = (shape.heads + shape.kv_heads) * shape.head_dim  # of queries and of keys
    return body + shape.layers * norms, tables


_COUNTED: Mapping[str, Callable[[_Shape], tuple[int, int]]] = {
    "gpt2": _gpt2,
    "nanogpt": _gpt2,
    "llama": _llama,
    "mistral": _llama,
    "qwen2": lambda shape: _llama(shape, qkv_bias=True),
    "gpt_neox": _neox,
    "olmo": _olmo,
    "olmo2": _olmo2,
}
