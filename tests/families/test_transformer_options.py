"""Options of the transformer: what they add, and that shapes without them stay what they were."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling import models
from scaling.data import Corpus
from scaling.errors import InputError
from scaling.families.transformer import from_dials
from scaling.grid import parse_grid, plan

DATA = {"vocab": 102, "context": 16}
GPT2: dict[str, Any] = {
    "norm": "layer", "positions": "learned", "bias": True, "mlp": "gelu", "tied": True,
}  # fmt: skip
GRID = """\
name = "tiny"
[model]
context = 16
depth = 1
[train]
batch_tokens = 128
[[pilots]]
widths = [8, 16]
tokens = [1e4]
[[targets]]
sizes = [3e4]
tokens = [2e4]
"""
# What commit 03421b6, before the options, gave: cells' ids and trunks are in people's folders.
IDS = {
    "96604df82d91fe40": "23c06e2455f60d65",
    "2ac03a167c4c7857": "b82bc3f98bc933a1",
    "beb55d3326f4ca0c": "ca5e5bec74b5342f",
}


def test_cells_planned_before_the_options_keep_their_ids() -> None:
    corpus = Corpus(
        train=np.zeros(20_000, np.uint8),
        held_out=np.zeros(2_000, np.uint8),
        train_offsets=np.array([0, 20_000]),
        held_out_offsets=np.array([0, 2_000]),
        name="zeros",
        vocab=102,
        fingerprint="0" * 16,
        facts={},
        tokenizer_json="{}",
    )
    assert {cell.id: cell.trunk for cell in plan(parse_grid(GRID), corpus)} == IDS


def test_a_dictionary_states_options_only_where_they_are_not_usual() -> None:
    plain = {
        "width": 16, "depth": 2, "heads": 1, "context": 16, "vocab": 102,
        "mlp": "swiglu", "tied": False, "qk_norm": False,
    }  # fmt: skip
    assert from_dials(width=16, **DATA).to_dict() == plain
    assert from_dials(width=16, norm="rms", experts=1, **DATA).to_dict() == plain
    assert from_dials(width=16, bias=True, **DATA).to_dict() == {**plain, "bias": True}


def test_a_shape_without_options_has_the_tree_that_it_had() -> None:
    shape = from_dials(width=16, depth=1, qk_norm=True, **DATA)
    model = models.get("transformer").build(shape)
    tree = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 16), jnp.int32))
    found = {
        "/".join(key.key for key in path[1:]): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    assert found == {
        "embedding": (102, 16), "head": (16, 102), "final_norm/gain": (16,),
        "attention_norm_0/gain": (16,), "mlp_norm_0/gain": (16,),
        "attention_0/qkv": (16, 48), "attention_0/out": (16, 16),
        "attention_0/q_norm/gain": (16,), "attention_0/k_norm/gain": (16,),
        "mlp_0/gate_up": (16, 80), "mlp_0/down": (40, 16),
    }  # fmt: skip


def test_n_leaves_out_learned_positions() -> None:
    shape = from_dials(width=16, **GPT2, **DATA)
    groups = shape.parameters()
    assert shape.N_total - shape.N == groups["embedding"] + groups["position"] == (102 + 16) * 16


@pytest.mark.parametrize("dials", [GPT2, {"norm": "layer", "bias": True}, {"experts": 3}])
def test_a_later_token_never_changes_an_earlier_logit(dials: dict[str, Any]) -> None:
    shape = from_dials(width=16, **dials, **DATA)
    model = models.get("transformer").build(shape, transfer=False)
    tokens = jax.random.randint(jax.random.key(1), (1, 16), 0, 102)
    params = {"params": jax.jit(model.init)(jax.random.key(0), tokens)["params"]}
    changed = tokens.at[0, 10].set((tokens[0, 10] + 1) % 102)
    apply = jax.jit(model.apply)
    a, b = apply(params, tokens), apply(params, changed)
    np.testing.assert_allclose(a[0, :10], b[0, :10], rtol=1e-5, atol=1e-6)
    assert not np.allclose(a[0, 10:], b[0, 10:])


def test_learned_positions_tell_equal_tokens_apart() -> None:
    shape = from_dials(width=16, depth=1, **GPT2, **DATA)
    model = models.get("transformer").build(shape, transfer=False)
    same = jnp.full((1, 16), 7)
    params = jax.jit(model.init)(jax.random.key(0), same)
    logits = jax.jit(model.apply)(params, same)[0]
    assert np.abs(logits - logits[0]).max(1)[1:].min() > 1e-3


def test_rates_of_options() -> None:
    shape = from_dials(width=64, depth=1, experts=2, **{**GPT2, "tied": False}, **DATA)
    module = models.get("transformer")
    tokens = jnp.zeros((1, 16), jnp.int32)
    tree = jax.eval_shape(module.build(shape).init, jax.random.key(0), tokens)["params"]
    rates = module.rate_multipliers(tree, shape, base_width=32, head_rate=4.0, transfer=True)
    assert rates["position"] == rates["final_norm"]["offset"] == 1.0
    assert rates["attention_0"]["qkv_bias"] == rates["mlp_0"]["up_bias"] == 1.0
    assert rates["mlp_0"]["router"] == rates["mlp_0"]["up"] == rates["mlp_0"]["down"] == 0.5
    assert rates["head"] == 2.0


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"norm": "batch"}, "norm = 'batch', valid: rms, layer"),
        ({"positions": "alibi"}, "positions = 'alibi', valid: rotary, learned"),
        ({"bias": 1}, "bias = 1, valid: true, false"),
        ({"experts": 0}, "experts = 0, must be a whole number of at least 1"),
        ({"experts": 2, "experts_per_token": 3}, r"experts_per_token = 3 of experts = 2; valid"),
        ({"experts_per_token": 2}, r"experts_per_token = 2 of experts = 1; valid: 1 to 1"),
        ({"experts": 2, "balance_weight": -1.0}, "balance_weight = -1.0, must be a number"),
        ({"heads": 3, "positions": "learned"}, "16 with 3 heads gives a head size of 5.33"),
    ],
)
def test_options_that_cannot_be(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_dials(width=16, **dials, **DATA)
