"""ViT's counts against its real parameter tree, its traced program and XLA's buffers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling import models
from scaling.errors import InputError
from scaling.families import vit
from scaling.families.vit import ViT

DATA: dict[str, Any] = {"image": 28, "channels": 1, "classes": 10}


@given(st.floats(6e3, 2e9))
@settings(deadline=None)
def test_the_size_dial_finds_a_near_shape(size: float) -> None:
    shape = vit.from_size(size, **DATA)
    assert max(shape.N / size, size / shape.N) <= 1.5
    assert shape.N == shape.N_total == shape.N_active


def test_the_dial_goes_through_the_published_shapes_of_sovit() -> None:
    # https://huggingface.co/google/siglip-so400m-patch14-384/discussions/3
    for width, depth, inner in ((880, 18, 2320), (1152, 27, 4304)):
        shape = vit.from_dials(width=width, **DATA)
        assert (shape.depth, shape.mlp_width) == (depth, inner)


@pytest.mark.parametrize(("image", "patch"), [(224, 16), (28, 4), (32, 4), (64, 8), (8, 2)])
def test_the_usual_patch(image: int, patch: int) -> None:
    assert vit.from_dials(width=32, image=image, channels=1, classes=10).patch == patch


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        (
            {"width": 32, "patch": 5},
            r"patches of 5 pixels don't divide an image of 28; valid: 1, 2",
        ),
        ({"width": 32, "heads": 3}, r"3 heads don't divide the width 32; valid: 1, 2, 4"),
        ({"width": 32, "pool": "max"}, r"pool = 'max', valid: token, mean"),
        ({"width": 32, "depht": 2}, "unknown dial 'depht'"),
        ({"width": 0}, "at least 1"),
        ({"preset": "H"}, r"preset = 'H', valid: Ti, S, B, L"),
        ({"preset": "B"}, r"patches of 16 pixels don't divide an image of 28"),
        ({"depth": 2}, "no size; give a size, a width or a preset"),
        ({"width": 32, "image": 29}, "no patch of 2 to 16 pixels divides an image of 29"),
    ],
)
def test_shapes_that_cannot_be_built(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vit.from_dials(**{**DATA, **dials})


def test_a_size_excludes_a_width() -> None:
    with pytest.raises(InputError, match="vit: a size and a width = 32; give one"):
        vit.from_size(1e6, width=32, **DATA)


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_a_pixel_anywhere_moves_the_logits(pool: str) -> None:
    shape = vit.from_dials(width=16, depth=1, pool=pool, **DATA)
    model = models.get("vit").build(shape, transfer=False)
    images = jax.random.normal(jax.random.key(1), (1, 28, 28, 1))
    params = jax.jit(model.init)(jax.random.key(0), images)
    by_pixel = jax.jit(jax.grad(lambda x: model.apply(params, x)[0, 0]))(images)
    assert (by_pixel != 0).all()


def test_patches_are_the_convolution_that_they_stand_for() -> None:
    shape = vit.from_dials(width=16, depth=1, **DATA)
    images = jax.random.normal(jax.random.key(1), (2, 28, 28, 1))
    patches = models.get("vit").Patches(shape.patch, shape.width, jnp.float32)
    params = patches.init(jax.random.key(0), images)
    kernel = params["params"]["kernel"].reshape(4, 4, 1, 16)
    convolved = jax.lax.conv_general_dilated(
        images, kernel, (4, 4), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    found = patches.apply(params, images)
    np.testing.assert_allclose(found, convolved.reshape(2, 49, 16), rtol=1e-5, atol=1e-5)


def test_rates_go_as_one_over_width_for_what_sums_over_it() -> None:
    shape = vit.from_dials(width=64, depth=1, **DATA)
    found = rates_of(shape)
    assert found["patch", "kernel"] == found["position"] == found["token"] == 1.0
    assert found["final_norm", "gain"] == found["attention_0", "qkv_bias"] == 1.0
    assert found["attention_0", "qkv"] == found["attention_0", "out"] == 0.5
    assert found["mlp_0", "up"] == 0.5
    assert found["mlp_0", "down"] == pytest.approx(0.5, rel=0.05)


def rates_of(shape: ViT) -> dict[Any, float]:
    module = models.get("vit")
    images = jnp.zeros((1, 28, 28, 1))
    tree = jax.eval_shape(module.build(shape).init, jax.random.key(0), images)["params"]
    rates = module.rate_multipliers(tree, shape, base_width=32, head_rate=4.0, transfer=True)
    return {
        tuple(k.key for k in path[-2:]) if len(path) > 1 else path[-1].key: rate
        for path, rate in jax.tree_util.tree_leaves_with_path(rates)
    }


def test_bfloat16_keeps_float32_parameters_and_logits() -> None:
    shape = vit.from_dials(width=32, depth=1, **DATA)
    model = models.get("vit").build(shape, dtype=jnp.bfloat16, transfer=False)
    images = jnp.ones((2, 28, 28, 1))
    params = jax.jit(model.init)(jax.random.key(0), images)
    logits = jax.jit(model.apply)(params, images)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    products = str(jax.make_jaxpr(model.apply)(params, images))
    assert "f32[2,50,32] = dot_general" not in products
