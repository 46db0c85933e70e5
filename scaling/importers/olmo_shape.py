"""Parameters of a model by OLMo-core's own config of it, where that is a plain transformer.

Held against `TransformerConfig.num_params` in tests/importers/test_olmo.py. OLMo-core's "non-
embedding" count has the unembedding in it; N here has neither table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a config may say that changes no count here; with anything else none is made.
MODEL = {"d_model", "vocab_size", "n_layers", "block", "lm_head", "tie_word_embeddings"}
BLOCK = {"sequence_mixer", "attention", "layer_norm", "feed_forward"}
ATTENTION = {
    "n_heads", "n_kv_heads", "head_dim", "bias", "rope", "qk_norm", "use_head_qk_norm",
    "scalable_softmax", "attention_sinks", "sliding_window", "window_size", "use_flash", "backend",
}  # fmt: skip
LEARNED = ("scalable_softmax", "attention_sinks")  # of attention, more parameters where they are on
PLAIN = {
    "name", "dtype", "type", "_CLASS_", "init_method", "init_seed", "init_std", "dropout",
    "init_device", "embedding_init_std", "freeze_params", "attention_residual_alpha",
    "feed_forward_residual_alpha",
}  # fmt: skip


def counts(model: Mapping[str, Any]) -> tuple[int, int] | None:
    """(N, N_total), or None for a config of another kind of model."""
    try:
        return _counts(model)
    except (KeyError, TypeError, AttributeError):
        return None


def _counts(model: Mapping[str, Any]) -> tuple[int, int] | None:
    block = model["block"]
    mixer = block.get("sequence_mixer") or block["attention"]
    if not (_plain(model, MODEL) and _plain(block, BLOCK) and _plain(mixer, ATTENTION)):
        return None
    if any(mixer.get(name) for name in LEARNED) or mixer.get("name", "default") != "default":
        return None
    d, inner = model["d_model"], block["feed_forward"]["hidden_size"]
    heads = mixer["n_heads"]
    head = mixer.get("head_dim") or d // heads
    queries, keys = heads * head, mixer.get("n_kv_heads", heads) * head
    attention = 2 * d * queries + 2 * d * keys
    if mixer.get("bias"):
        attention += queries + 2 * keys + d
    if norm := mixer.get("qk_norm"):
        per_head = mixer.get("use_head_qk_norm")
        attention += sum(_norm(norm, head if per_head else width) for width in (queries, keys))
    feed_forward = 3 * d * inner
    if block["feed_forward"].get("bias"):
        feed_forward += 2 * inner + d
    layer = attention + feed_forward + 2 * _norm(block["layer_norm"], d)
    unembedding = model.get("lm_head") or {}
    n = model["n_layers"] * layer + _norm(unembedding.get("layer_norm"), d)
    if unembedding.get("bias"):
        n += model["vocab_size"]
    tables = 1 if model.get("tie_word_embeddings") else 2
    return n, n + tables * model["vocab_size"] * d


def _plain(config: Mapping[str, Any], known: set[str]) -> bool:
    return {key for key, value in config.items() if value is not None} <= known | PLAIN


def _norm(norm: Mapping[str, Any] | None, width: int) -> int:
    if norm is None or norm.get("elementwise_affine") is False:
        return 0
    return width * (2 if norm.get("bias") else 1)
