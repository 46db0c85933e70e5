"""The transformer's counts against its real parameter tree, its traced program and XLA."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batteries import families as battery
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scaling import models
from scaling.errors import InputError
from scaling.families import get, names, nearest_like
from scaling.families.transformer import Transformer, from_dials, from_size, from_width
from scaling.grid import canonical_json

VARIANTS = [
    {},
    {"mlp": "gelu"},
    {"tied": True},
    {"qk_norm": True, "depth": 3},
    {"mlp": "gelu", "tied": True, "qk_norm": True},
]
BATCH = 2


def shape_of(width: int = 64, **dials: object) -> Transformer:
    return from_width(width, vocab=102, context=32, **dials)


@pytest.mark.parametrize("dials", VARIANTS)
def test_parameters_are_those_of_the_real_tree(dials: dict[str, object]) -> None:
    shape = shape_of(**dials)
    groups = shape.parameters()
    assert groups == battery.real_parameters("transformer", shape)
    assert shape.N_total == sum(groups.values())
    assert shape.N_total - shape.N == groups["embedding"] + groups["head"]


@pytest.mark.parametrize("dials", VARIANTS)
def test_matmul_flops_are_exact_forward_and_training(dials: dict[str, object]) -> None:
    shape = shape_of(**dials)
    model = models.get("transformer").build(shape)
    tokens = jnp.zeros((BATCH, shape.context), jnp.int32)
    params = jax.eval_shape(model.init, jax.random.key(0), tokens)
    per_token = BATCH * shape.context
    forward = battery.counted_flops(model.apply, params, tokens).dense
    assert forward == per_token * sum(shape.forward_flops().values())
    training = battery.counted_flops(
        jax.value_and_grad(lambda p: model.apply(p, tokens).astype(jnp.float32).sum()), params
    )
    assert training.dense == per_token * shape.training_flops()


def test_total_flops_are_within_a_tenth_of_xla() -> None:
    shape = from_width(128, vocab=102, context=64, depth=2)
    model = models.get("transformer").build(shape)
    tokens = jnp.zeros((BATCH, shape.context), jnp.int32)
    params = jax.eval_shape(model.init, jax.random.key(0), tokens)
    counted = BATCH * shape.context * sum(shape.forward_flops().values())
    assert counted == pytest.approx(battery.xla_flops(model.apply, params, tokens), rel=0.10)


# Widths of multiples of 8 lie close enough from here on: between N = 1,704 and 5,968 is nothing.
@given(st.floats(4e3, 1e11))
@example(4e3)
@example(1e11)
@settings(deadline=None)
def test_the_size_dial_finds_a_near_shape(size: float) -> None:
    shape = from_size(size, vocab=102, context=64)
    assert max(shape.N / size, size / shape.N) <= 1.5
    assert shape.width % shape.heads == 0


def test_a_geometric_ladder_grows_in_every_rung() -> None:
    shapes = [from_size(1e4 * 4**i, vocab=102, context=64) for i in range(9)]
    assert all(a.N < b.N and a.depth <= b.depth for a, b in itertools.pairwise(shapes))


def test_gpt2_small_has_its_published_matrices() -> None:
    # 12 layers of 12 w^2 weights (Radford et al. 2019); GPT-2's biases are not in this family.
    shape = from_width(768, vocab=50257, context=1024, mlp="gelu", tied=True)
    groups = shape.parameters()
    assert (shape.depth, shape.heads) == (12, 12)
    assert groups["attention"] + groups["mlp"] == 12 * 12 * 768**2


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"width": 30, "heads": 4}, "rotary positions"),
        ({"width": 3}, "even width"),
        ({"width": 32, "depht": 2}, "unknown dial 'depht'"),
        ({"width": 32, "mlp": "relu"}, "swiglu, gelu"),
        ({"width": 32, "depth": 0}, "at least 1"),
    ],
)
def test_shapes_that_cannot_be_built(dials: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_dials(vocab=102, context=64, **dials)


@pytest.mark.parametrize("size", [1, 3e3, 1e14, float("inf"), 0, -1, float("nan")])
def test_sizes_that_cannot_be_built(size: float) -> None:
    with pytest.raises(InputError, match=r"no shape near N|must be a positive number"):
        from_size(size, vocab=102, context=64)


@pytest.mark.parametrize("count", ["N", "N_total"])
def test_the_dial_finds_the_nearest_of_all_widths(count: str) -> None:
    built = [from_width(w, vocab=102, context=64, depth=2) for w in range(8, 513, 8)]
    for size in np.geomspace(1e4, 3e6, 40):
        found = getattr(from_size(size, vocab=102, context=64, depth=2, count=count), count)
        best = min((getattr(s, count) for s in built), key=lambda n: max(n / size, size / n))
        assert found == best


def test_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="did you mean 'transformer'"):
        get("transfomer")


def test_nearest_keeps_what_the_ladder_shares() -> None:
    configs = [canonical_json(shape_of(w, depth=2).to_dict()) for w in (32, 64)]
    found = nearest_like("transformer", configs, "N_total")(5e5)
    assert (found["depth"], found["context"], found["vocab"]) == (2, 32, 102)
    assert 0.8 < found["N_total"] / 5e5 < 1.25


@pytest.mark.parametrize("dials", VARIANTS)
def test_a_later_token_never_changes_an_earlier_logit(dials: dict[str, object]) -> None:
    shape = shape_of(16, **dials)
    model = models.get("transformer").build(shape, transfer=False)
    tokens = jax.random.randint(jax.random.key(1), (1, shape.context), 0, shape.vocab)
    params = jax.jit(model.init)(jax.random.key(0), tokens)
    changed = tokens.at[0, 20].set((tokens[0, 20] + 1) % shape.vocab)
    apply = jax.jit(model.apply)
    a, b = apply(params, tokens), apply(params, changed)
    np.testing.assert_array_equal(a[0, :20], b[0, :20])
    assert not np.allclose(a[0, 20:], b[0, 20:])


def test_rates_go_as_one_over_width_for_matrices_only() -> None:
    shape = shape_of(64, depth=1)
    module = models.get("transformer")
    tree = jax.eval_shape(module.build(shape).init, jax.random.key(0), jnp.zeros((1, 8), jnp.int32))
    rates = module.rate_multipliers(tree, shape, base_width=32, head_rate=4.0, transfer=True)
    found = {path[-1].key: m for path, m in jax.tree_util.tree_leaves_with_path(rates)}
    assert found["embedding"] == found["gain"] == 1.0
    assert found["qkv"] == found["down"] == 0.5
    assert found["head"] == 2.0
    flat = module.rate_multipliers(tree, shape, base_width=32, head_rate=4.0, transfer=False)
    assert set(jax.tree.leaves(flat)) == {1.0}


def test_bfloat16_matmuls_keep_float32_parameters_and_logits() -> None:
    shape = shape_of(32)
    model = models.get("transformer").build(shape, dtype=jnp.bfloat16, transfer=False)
    tokens = jnp.zeros((1, shape.context), jnp.int32)
    params = jax.jit(model.init)(jax.random.key(0), tokens)
    logits = jax.jit(model.apply)(params, tokens)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_a_transferred_head_starts_at_a_uniform_guess() -> None:
    shape = shape_of(32, depth=1)
    model = models.get("transformer").build(shape)
    tokens = jnp.zeros((1, shape.context), jnp.int32)
    logits = jax.jit(model.init_with_output)(jax.random.key(0), tokens)[0]
    np.testing.assert_array_equal(logits, 0.0)


def test_every_family_has_its_dials_and_its_module() -> None:
    for name in names():
        family = get(name)
        assert name == family.NAME
        assert callable(family.from_size)
        assert callable(models.get(name).build)
        assert callable(models.get(name).rate_multipliers)
