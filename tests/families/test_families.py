"""The battery over every model family; see `batteries.families`."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batteries import families as battery

from scaling.families import get, names
from scaling.grid import canonical_json

CASES = [
    pytest.param(family, dials, id=f"{family}-{n}")
    for family, several in battery.SHAPES.items()
    for n, dials in enumerate(several)
]
# To be run, and not only traced, a shape is compiled for seconds: each family's first by default.
RUN = [
    pytest.param(family, dials, id=f"{family}-{n}", marks=[pytest.mark.slow] if n else [])
    for family, several in battery.SHAPES.items()
    for n, dials in enumerate(several)
]
RUNGS = 6


def shape_of(family: str, dials: dict[str, Any]) -> Any:
    return get(family).from_dials(**dials)


def ladder(family: str) -> list[Any]:
    data, smallest, largest = battery.LADDERS[family]
    sizes = np.geomspace(smallest, largest, RUNGS)
    return [get(family).from_size(size, **data) for size in sizes]


def test_every_family_is_in_the_battery() -> None:
    assert set(names()) == set(battery.SHAPES) == set(battery.LADDERS)


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_parameters_are_those_of_the_real_tree(family: str, dials: dict[str, Any]) -> None:
    shape = shape_of(family, dials)
    groups = shape.parameters()
    assert groups == battery.real_parameters(family, shape)
    assert shape.N_total == sum(groups.values())


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_products_are_counted_exactly_forward_and_training(
    family: str, dials: dict[str, Any]
) -> None:
    shape = shape_of(family, dials)
    built = battery.build(family, shape)
    examples = battery.BATCH * shape.units
    forward = battery.counted_flops(built.forward, built.variables, *built.data)
    padding = sum(layer.padding_flops for layer in shape.layers())
    assert forward.dense == examples * sum(shape.forward_flops().values())
    assert forward.inside == forward.dense - battery.BATCH * padding
    gradient = jax.value_and_grad(built.loss)
    training = battery.counted_flops(gradient, built.params, built.others, *built.data)
    assert training.dense == examples * shape.training_flops()
    # A step backward meets the same padding as the step forward, once for each of its gradients.
    inside = sum(
        (layer.flops - layer.padding_flops) * (1 + layer.backward_flops / layer.flops)
        for layer in shape.layers()
        if layer.flops
    )
    assert training.inside == battery.BATCH * inside


@pytest.mark.parametrize(
    "family",
    # Of coca every rung compiles for seconds.
    [pytest.param(f, marks=pytest.mark.slow if f == "coca" else ()) for f in battery.LADDERS],
)
def test_total_flops_are_within_a_tenth_of_xla_on_every_rung(family: str) -> None:
    for shape in ladder(family):
        built = battery.build(family, shape)
        layers = shape.layers()
        products = sum(layer.flops - layer.padding_flops for layer in layers)
        other = sum(layer.other_flops for layer in layers)
        forward = battery.xla_flops(built.forward, built.variables, *built.data)
        assert battery.BATCH * (products + other) == pytest.approx(forward, rel=0.1)
        backward = sum(
            (layer.flops - layer.padding_flops) * layer.backward_flops / layer.flops
            for layer in layers
            if layer.flops
        )
        gradient = jax.value_and_grad(built.loss)
        training = battery.xla_flops(gradient, built.params, built.others, *built.data)
        # Elementwise work backward is about twice that forward, as products are.
        assert battery.BATCH * (products + backward + 3 * other) == pytest.approx(training, rel=0.1)


@pytest.mark.parametrize("family", list(battery.LADDERS))
def test_one_dial_grows_a_family_a_thousandfold(family: str) -> None:
    data, smallest, largest = battery.LADDERS[family]
    sizes = np.geomspace(smallest, largest, 16)
    shapes = [get(family).from_size(size, **data) for size in sizes]
    assert all(a.N < b.N for a, b in itertools.pairwise(shapes))
    assert shapes[-1].N / shapes[0].N > 900
    assert all(max(s.N / size, size / s.N) < 1.3 for s, size in zip(shapes, sizes, strict=True))


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_a_shape_is_what_its_dictionary_says(family: str, dials: dict[str, Any]) -> None:
    module, shape = get(family), shape_of(family, dials)
    stated = shape.to_dict()
    assert module.from_dials(**stated) == shape
    assert set(stated) <= set(module.DATA) | set(module.DIALS)
    assert set(module.SIZED) <= set(module.DIALS)
    assert canonical_json(stated)
    assert shape.depth >= 1


@pytest.mark.parametrize(("family", "dials"), RUN)
def test_outputs_and_gradients_are_finite(family: str, dials: dict[str, Any]) -> None:
    built = battery.build(family, shape_of(family, dials), transfer=False)
    variables = battery.run(built.model.init, jax.random.key(0), *built.data)
    others = {k: v for k, v in variables.items() if k == "batch_stats"}
    given, gradient = battery.run(
        jax.value_and_grad(built.loss), variables["params"], others, *built.data
    )
    for leaf in jax.tree.leaves((given, gradient)):
        assert np.isfinite(leaf).all()
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables["params"])} == {jnp.dtype("float32")}


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_bfloat16_computes_over_float32_parameters(family: str, dials: dict[str, Any]) -> None:
    built = battery.build(family, shape_of(family, dials), dtype=jnp.bfloat16)
    given = jax.eval_shape(built.forward, built.variables, *built.data)
    assert {leaf.dtype for leaf in jax.tree.leaves(given)} == {jnp.dtype("float32")}
    assert {leaf.dtype for leaf in jax.tree.leaves(built.params)} == {jnp.dtype("float32")}
