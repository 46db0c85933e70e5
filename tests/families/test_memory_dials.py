"""What optimiser, microbatch, rematerialisation and precision do to memory, as predicted."""

from __future__ import annotations

from typing import Any

import jax
import pytest
from batteries import families as battery
from batteries.programs import compiled
from test_memory import check

from scaling.families import get
from scaling.families.memory import Use


def shape_of(family: str, **dials: Any) -> Any:
    return get(family).from_dials(**{**battery.LADDERS[family][0], **dials})


@pytest.mark.parametrize(
    "recipe",
    [{"optimiser": "sgd"}, {"optimiser": "lion"}, {"clip": 0.0}, {"microbatch": 64},
     {"precision": "bfloat16"}],
    ids=str,
)  # fmt: skip
def test_a_recipe_holds_what_is_predicted(recipe: dict[str, Any]) -> None:
    check("mlp", shape_of("mlp", width=384), 512, **recipe)


@pytest.mark.parametrize(
    ("family", "dials", "batch", "recipe"),
    [
        ("transformer", {"width": 64, "depth": 4}, 1024, {"microbatch": 4}),
        ("transformer", {"width": 64, "depth": 4}, 1024, {"remat": "blocks"}),
        ("cnn", {"width": 24}, 32, {"remat": "blocks"}),
        ("vit", {"width": 48, "depth": 4}, 32, {"remat": "blocks"}),
    ],
    ids=str,
)
def test_memory_is_saved_as_predicted(
    family: str, dials: dict[str, Any], batch: int, recipe: dict[str, Any]
) -> None:
    shape = shape_of(family, **dials)
    check(family, shape, batch, **recipe)
    saving = Use(remat="remat" in recipe, microbatch=recipe.get("microbatch"))
    assert shape.memory_bytes(batch, saving) < 0.65 * shape.memory_bytes(batch)


@pytest.mark.parametrize("family", [f for f in battery.SHAPES if f not in ("mlp", "alexnet")])
def test_blocks_compute_again_what_is_predicted(family: str) -> None:
    """Every product of the backward pass, counted in its trace."""
    for dials in battery.SHAPES[family][:2]:
        shape = get(family).from_dials(**dials)
        assert get(family).BLOCKS
        counted = []
        for remat in (False, True):
            built = battery.build(family, shape, remat=remat)
            gradient = jax.value_and_grad(built.loss)
            counted.append(
                battery.counted_flops(gradient, built.params, built.others, *built.data).dense
            )
        units = battery.BATCH * shape.units
        assert counted == [shape.computed_flops(units, remat=remat) for remat in (False, True)]


@pytest.mark.parametrize("recipe", [{}, {"remat": "blocks"}, {"optimiser": "sgd"}], ids=str)
def test_all_flops_of_a_step_are_within_a_tenth_of_xla(recipe: dict[str, Any]) -> None:
    shape = shape_of("transformer", width=64, depth=4)
    executable, _ = compiled("transformer", shape, 1024, **recipe)
    use = Use(remat="remat" in recipe, optimiser=recipe.get("optimiser", "adamw"))
    found = executable.cost_analysis()["flops"]
    assert shape.total_flops(1024, use) == pytest.approx(found, rel=0.1)


def test_where_nothing_is_a_block_nothing_is_saved() -> None:
    for family in ("mlp", "alexnet"):
        shape = shape_of(family, width=12)
        assert not get(family).BLOCKS
        assert shape.memory(64, Use(remat=True)) == shape.memory(64)


def test_a_mesh_divides_the_state_and_the_batch() -> None:
    shape = shape_of("transformer", width=64, depth=4)
    one = shape.memory(4096)
    data, sharded = (shape.memory(4096, Use(**mesh)) for mesh in ({"data": 4}, {"fsdp": 4}))
    assert data.parameters == one.parameters
    assert data.optimiser == one.optimiser
    assert data.activations == pytest.approx(one.activations / 4, rel=1e-6)
    for part in ("parameters", "optimiser", "gradients", "activations"):
        assert getattr(sharded, part) == pytest.approx(getattr(one, part) / 4, rel=1e-5)


def test_sixteen_bits_halve_activations_on_an_accelerator_only() -> None:
    shape = shape_of("mlp", width=32)
    for precision in ("bfloat16", "float16"):
        cpu, gpu = (shape.memory(64, Use(precision=precision, on=on)) for on in ("cpu", "gpu"))
        full = shape.memory(64, Use(on="gpu"))
        assert cpu.activations == full.activations == 2 * gpu.activations
        assert gpu.optimiser == full.optimiser


def test_a_kernel_of_attention_keeps_no_scores_on_a_gpu() -> None:
    shape = shape_of("vit", width=32)
    half, full = (shape.memory(64, Use(precision=p, on="gpu")) for p in ("bfloat16", "float32"))
    assert half.activations < full.activations / 2


def test_the_total_is_the_sum_of_its_parts() -> None:
    shape = shape_of("cnn", width=8)
    memory = shape.memory(32, data=1000)
    assert memory.data == 1000
    assert memory.total - 1000 == shape.memory_bytes(32)
    assert memory.optimiser == 2 * 4 * shape.N_total


@pytest.mark.parametrize("family", list(battery.LADDERS))
def test_memory_grows_with_the_batch_and_never_with_smaller_pieces(family: str) -> None:
    shape = shape_of(family, width=48)
    unit = shape.units
    total = [shape.memory_bytes(n * unit) for n in (4, 8, 16, 32)]
    assert total == sorted(total)
    pieces = [shape.memory(32 * unit, Use(microbatch=n)).total for n in (4, 8, 16)]
    assert pieces == sorted(pieces)
