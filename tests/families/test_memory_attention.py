"""Predicted memory of a step of ViT and CoCa against what XLA allocates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from batteries import families as battery

from scaling.families import get

BATCH = 64
PAIR = {"image": 28, "channels": 1, "vocab": 60, "context": 16}
CASES = [
    ("vit", {**battery.IMAGE, "width": 16}),
    ("vit", {**battery.IMAGE, "width": 64, "depth": 4, "pool": "mean"}),
    ("vit", {**battery.IMAGE, "width": 64, "patch": 2}),
    ("vit", {**battery.IMAGE, "width": 128, "mlp_width": 512, "heads": 8}),
    ("coca", {**PAIR, "width": 32}),
    ("coca", {**PAIR, "width": 96, "depth": 2, "text_depth": 2, "queries": 8}),
]


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_memory_is_near_what_xla_allocates(family: str, dials: dict[str, Any]) -> None:
    shape = get(family).from_dials(**dials)
    built = battery.build(family, shape)
    data = battery.inputs(shape, get(family).UNIT, BATCH)
    adam = optax.adam(1e-3)
    state = jax.eval_shape(lambda params: (params, adam.init(params)), built.params)

    def step(state: Any, *data: jax.Array) -> Any:
        params, moments = state
        updates, moments = adam.update(jax.grad(loss)(params, *data), moments)
        return optax.apply_updates(params, updates), moments

    def loss(params: Any, *data: jax.Array) -> jax.Array:
        out = built.model.apply({"params": params}, *data, train=True)
        leaves = jax.tree.leaves(out)
        return jnp.stack([jnp.mean(jax.nn.logsumexp(jnp.atleast_1d(x), -1)) for x in leaves]).sum()

    found = battery.compiled_bytes(step, state, *data, donate=0) - sum(x.nbytes for x in data)
    assert shape.memory_bytes(BATCH) == pytest.approx(found, rel=0.25)
