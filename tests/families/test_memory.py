"""Predicted memory of a training step against what XLA allocates for it, to a quarter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from batteries import families as battery

from scaling.families import get


@pytest.mark.parametrize(
    ("family", "dials", "batch"),
    [
        ("mlp", {"width": 512}, 64),
        ("cnn", {"width": 32}, 32),
        ("cnn", {"width": 32, "norm": "none"}, 32),
        ("resnet", {"width": 16, "depth": 8}, 32),
        ("resnet", {"width": 16, "depth": 8, "shortcut": "none"}, 32),
        ("resnet", {"width": 16, "depth": 8, "shortcut": "none", "norm": "none"}, 32),
        ("vgg", {"width": 16, "depth": 11, "norm": "none"}, 64),
        ("alexnet", {"width": 24}, 64),
    ],
)
def test_memory_is_near_what_xla_allocates(family: str, dials: dict[str, Any], batch: int) -> None:
    shape = get(family).from_dials(**battery.IMAGE, **dials)
    net = battery.build(family, shape)
    net = replace(net, data=battery.inputs(shape, "image", batch))
    adam = optax.adam(1e-3)

    def step(state: Any, labels: jax.Array, images: jax.Array) -> Any:
        params, moments, others = state

        def loss(params: Any) -> tuple[jax.Array, Any]:
            logits, changed = net.model.apply(
                {"params": params, **others},
                images,
                train=True,
                rngs={"dropout": jax.random.key(0)},
                mutable=["batch_stats"],
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), changed

        grads, others = jax.grad(loss, has_aux=True)(params)
        updates, moments = adam.update(grads, moments)
        return optax.apply_updates(params, updates), moments, others

    state = (net.params, jax.eval_shape(adam.init, net.params), net.others)
    labels = jnp.zeros(batch, jnp.int32)
    peak = battery.compiled_bytes(step, state, labels, *net.data, donate=0)
    data = labels.nbytes + sum(images.nbytes for images in net.data)
    assert shape.memory_bytes(batch) == pytest.approx(peak - data, rel=0.25)
