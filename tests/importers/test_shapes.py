"""Parameters counted from configurations, against those that the models' makers publish."""

from __future__ import annotations

import pytest

from scaling.importing.shapes import counts

GPT2 = {"model_type": "gpt2", "n_positions": 1024, "vocab_size": 50257}
LLAMA = {"model_type": "llama", "vocab_size": 32000, "tie_word_embeddings": False}
OLMO2 = {"model_type": "olmo2", "vocab_size": 100352, "tie_word_embeddings": False}


def sized(d: int, layers: int, heads: int, inner: int, **more: int) -> dict[str, int]:
    return {"hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": inner, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "total"),
    [
        ({**GPT2, "n_embd": 768, "n_layer": 12, "n_head": 12}, 124_439_808),
        ({**GPT2, "n_embd": 1600, "n_layer": 48, "n_head": 25}, 1_557_611_200),
        ({**LLAMA, **sized(4096, 32, 32, 11008)}, 6_738_415_616),
        ({**LLAMA, **sized(4096, 32, 32, 14336, num_key_value_heads=8), "vocab_size": 128256},
         8_030_261_248),
        ({"model_type": "gpt_neox", "vocab_size": 50304, **sized(512, 6, 8, 2048)}, 70_426_624),
        ({"model_type": "gpt_neox", "vocab_size": 50432, **sized(4096, 32, 32, 16384)},
         6_857_302_016),
        ({"model_type": "olmo", "vocab_size": 50304, "tie_word_embeddings": True,
          **sized(2048, 16, 16, 8192)}, 1_176_764_416),
        ({**OLMO2, **sized(2048, 16, 16, 8192)}, 1_484_916_736),
    ],
)  # fmt: skip
def test_counts_are_the_published_ones(config: dict[str, object], total: int) -> None:
    found = counts(config)
    assert found is not None
    assert found.N_total == total


@pytest.mark.parametrize(
    ("d", "layers", "heads", "vocab", "body"),  # Pythia's table of non-embedding parameters
    [(512, 6, 8, 50304, 18_915_328), (4096, 32, 32, 50432, 6_444_163_072)],
)
def test_pythia_without_embeddings(d: int, layers: int, heads: int, vocab: int, body: int) -> None:
    config = {"model_type": "gpt_neox", "vocab_size": vocab, **sized(d, layers, heads, 4 * d)}
    found = counts({f"model.{name}": value for name, value in config.items()})
    assert found is not None
    assert body == found.N


def test_a_shape_that_is_not_known_is_not_counted() -> None:
    assert counts({"model_type": "mamba", **sized(8, 2, 2, 16), "vocab_size": 10}) is None
    assert counts({**LLAMA, "hidden_size": 8}) is None
    nanogpt = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 8, "vocab_size": 128}
    assert counts(nanogpt) is None  # whether it has biases isn't said
    found = counts({**nanogpt, "bias": False})
    assert found is not None
    assert (found.N, found.N_total) == (24_736, 24_736 + 128 * 32 + 8 * 32)


def test_a_model_of_litgpt_is_not_counted_as_nanogpts() -> None:
    """It has all of nanoGPT's names, and gated layers of other widths."""
    config = {"n_layer": 22, "n_head": 32, "n_embd": 2048, "block_size": 2048, "bias": False,
              "vocab_size": 32000, "n_query_groups": 4, "mlp_class_name": "LLaMAMLP",
              "norm_class_name": "RMSNorm", "intermediate_size": 5632}  # fmt: skip
    assert counts(config) is None


@pytest.mark.parametrize(
    ("kind", "bias"), [("llama", {"attention_bias": True}), ("llama", {"mlp_bias": True}),
                       ("gpt_neox", {"attention_bias": False})]
)  # fmt: skip
def test_biases_that_a_kind_usually_has_not_are_not_counted_wrongly(
    kind: str, bias: dict[str, bool]
) -> None:
    config = {"model_type": kind, "vocab_size": 32000, **sized(64, 2, 2, 128)}
    assert counts(config) is not None
    assert counts({**config, **bias}) is None
    assert counts({**config, **{name: not on for name, on in bias.items()}}) is not None
