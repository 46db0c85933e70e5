"""The mixture of experts: counts against the traced program, and the same numbers as computing
every expert at every token."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batteries import families as battery
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.families.experts import blocks, computed_rows
from scaling.families.transformer import Transformer, from_dials, from_size
from scaling.models.experts import Experts, assign

VARIANTS: list[dict[str, Any]] = [
    {"experts": 4},
    {"experts": 8, "experts_per_token": 2},
    {"experts": 3, "experts_per_token": 3, "mlp": "gelu", "bias": True, "router_z_weight": 1e-3},
]
TOKENS = battery.BATCH * 32


def shape_of(dials: dict[str, Any], width: int = 16) -> Transformer:
    return from_dials(width=width, depth=2, vocab=102, context=32, **dials)


@pytest.mark.parametrize("dials", VARIANTS)
def test_parameters_total_and_active(dials: dict[str, Any]) -> None:
    shape = shape_of(dials)
    assert shape.parameters() == battery.real_parameters("transformer", shape)
    dense = shape_of({k: v for k, v in dials.items() if k in ("mlp", "bias")})
    router = shape.depth * shape.width * shape.experts
    one = dense.parameters()["mlp"]
    assert dense.N + (shape.experts - 1) * one + router == shape.N
    assert shape.N_active == dense.N + (shape.experts_per_token - 1) * one + router


@pytest.mark.parametrize("dials", VARIANTS)
def test_products_are_those_of_the_active_experts_and_their_padding(dials: dict[str, Any]) -> None:
    shape = shape_of(dials)
    built = battery.build("transformer", shape)
    gradient = jax.value_and_grad(built.loss)
    found = battery.counted_flops(gradient, built.params, built.others, *built.data).dense
    assert found == shape.computed_flops(TOKENS)
    padding = found - TOKENS * shape.training_flops()
    assert 0 < padding < 0.5 * found
    # A token meets as many matrices as in a dense net, k MLPs' instead of one's, and the router.
    dense = shape_of({k: v for k, v in dials.items() if k in ("mlp", "bias")})
    flops, active = dense.forward_flops(), shape.forward_flops()
    assert active["mlp"] == shape.experts_per_token * flops["mlp"]
    assert active["router"] == 2 * shape.depth * shape.width * shape.experts


def test_total_flops_are_within_a_tenth_of_xla() -> None:
    dials = {"experts": 8, "experts_per_token": 2, "depth": 2}
    for size in (1e5, 1e6, 1e7):
        shape = from_size(size, vocab=102, context=32, **dials)
        built = battery.build("transformer", shape)
        other = sum(layer.other_flops for layer in shape.layers())
        gradient = jax.value_and_grad(built.loss)
        found = battery.xla_flops(gradient, built.params, built.others, *built.data)
        counted = shape.computed_flops(TOKENS) + 3 * battery.BATCH * other
        assert counted == pytest.approx(found, rel=0.1)


@given(st.integers(1, 5000), st.integers(2, 70), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_there_are_blocks_for_every_routing(rows: int, experts: int, seed: int) -> None:
    """Whatever the loads: they fit, one expert a block, with little padding for even shares."""
    count, block = blocks(rows, experts)
    assert computed_rows(rows, experts) == count * block >= rows
    if rows >= 16 * experts:
        assert computed_rows(rows, experts) <= 1.5 * rows
    rng = np.random.default_rng(seed)
    loads = rng.multinomial(rows, rng.dirichlet(np.full(experts, 0.3)))
    for load in (loads, np.eye(experts, dtype=int)[0] * rows):
        assert (-(-load // block)).sum() <= count


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_laid_into_blocks_of_their_expert(seed: int) -> None:
    experts = jax.random.randint(jax.random.key(seed), (300,), 0, 5) ** 2 % 5  # uneven
    slots, of_block, block = (np.asarray(a) for a in assign(experts, 5))
    assert len(set(slots)) == 300
    np.testing.assert_array_equal(of_block[slots // block], experts)


@pytest.mark.parametrize("favourite", [None, 2])
@pytest.mark.parametrize(("active", "kind", "bias"), [(1, "gelu", True), (2, "swiglu", False)])
def test_nothing_is_dropped(active: int, kind: str, bias: bool, favourite: int | None) -> None:
    """The same outputs and gradients as every expert at every token, weighed by the router; even
    where all tokens want one expert."""
    module = Experts(bias=bias, hidden=24, kind=kind, experts=4, active=active, balance_weight=0.1)
    x = jax.random.normal(jax.random.key(1), (2, 20, 16))
    params = {"params": jax.jit(module.init)(jax.random.key(0), x)["params"]}
    if favourite is not None:
        x = x.at[..., 0].set(3.0)
        params["params"]["router"] = params["params"]["router"].at[0, favourite].set(20.0)

    def ours(params: Any, x: jax.Array) -> jax.Array:
        return (module.apply(params, x) ** 3).sum()

    def plainly(params: Any, x: jax.Array) -> jax.Array:
        return (every_expert(params["params"], x, active, kind) ** 3).sum()

    mine, theirs = (jax.jit(jax.value_and_grad(f, (0, 1)))(params, x) for f in (ours, plainly))
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


def every_expert(p: Any, x: jax.Array, active: int, kind: str) -> jax.Array:
    def dense(name: str, h: jax.Array) -> jax.Array:
        out = jnp.einsum("btew,ewh->bteh", h, p[name])
        return out + p[f"{name}_bias"] if f"{name}_bias" in p else out

    chances = jax.nn.softmax(x @ p["router"])
    kept = jnp.where(chances >= jnp.sort(chances, -1)[..., -active, None], chances, 0.0)
    weights = kept if active == 1 else kept / kept.sum(-1, keepdims=True)
    h = jnp.repeat(x[:, :, None], 4, 2)
    if kind == "gelu":
        inner = jax.nn.gelu(dense("up", h))
    else:
        gate, up = jnp.split(dense("gate_up", h), 2, -1)
        inner = jax.nn.silu(gate) * up
    return (dense("down", inner) * weights[..., None]).sum(2)


def test_the_balance_loss_is_least_for_an_even_load() -> None:
    """Fedus et al.: experts x sum of load x mean probability, 1 where all is even."""
    module = Experts(hidden=8, experts=4, balance_weight=0.5, router_z_weight=0.1)
    apply = jax.jit(partial(module.apply, mutable=["losses"]))
    x = jnp.eye(4)[None]  # four tokens, each of its own direction
    params = jax.jit(module.init)(jax.random.key(0), x)["params"]

    def sown(router: jax.Array) -> dict[str, float]:
        variables = {"params": {**params, "router": router}}
        _, changed = apply(variables, x)
        return {name: float(value) for name, (value,) in changed["losses"].items()}

    even, skewed = sown(10 * jnp.eye(4)), sown(10 * jnp.eye(4)[:, :1] + jnp.zeros((4, 4)))
    assert even["balance"] == pytest.approx(0.5, rel=1e-3)
    all_to_one = sown(jnp.zeros((4, 4)).at[:, 0].set(10.0))
    assert all_to_one["balance"] == pytest.approx(0.5 * 4, rel=1e-3)
    assert even["balance"] <= skewed["balance"] <= all_to_one["balance"]
    assert all_to_one["router_z"] == pytest.approx(0.1 * 10**2, rel=1e-2)
