"""The theoretical receptive field against what a gradient reaches; the effective one."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batteries import families as battery

from scaling import models
from scaling.errors import InputError
from scaling.families import get
from scaling.models.receptive import SHARE, effective, feature_map

CASES = [
    ("cnn", {"image": 48, "width": 3, "depth": 5, "stages": 3}),
    ("cnn", {"image": 45, "width": 3, "depth": 4, "stages": 2, "norm": "none"}),
    ("vgg", {"image": 160, "width": 2, "depth": 11}),
    ("alexnet", {"image": 227, "width": 2}),
    ("alexnet", {"image": 96, "width": 6, "layout": "cifar"}),
    ("resnet", {"image": 50, "width": 3, "depth": 8}),
    ("resnet", {"image": 49, "width": 3, "depth": 8, "shortcut": "projection"}),
    ("resnet", {"image": 52, "width": 2, "depth": 11, "block": "bottleneck"}),
    ("resnet", {"image": 224, "width": 1, "depth": 10}),
]


def positive(variables: Any) -> Any:
    """Weights and statistics with which nothing cancels and no ReLU is idle."""
    keys = iter(jax.random.split(jax.random.key(1), 500))
    return jax.tree.map(
        lambda leaf: jax.random.uniform(next(keys), leaf.shape, minval=0.1, maxval=0.3), variables
    )


def mean_pool(x: jax.Array, window: int, stride: int, padding: int = 0) -> jax.Array:
    """Sees what a max pool sees, but lets a gradient through to every pixel."""
    edges = ((padding, padding), (padding, padding))
    return nn.avg_pool(x, (window, window), (stride, stride), edges)


@pytest.mark.parametrize(("family", "dials"), CASES)
def test_the_field_is_where_a_gradient_arrives(
    family: str, dials: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = models.get(family)
    monkeypatch.setattr(module, "max_pool", mean_pool)
    shape = get(family).from_dials(channels=1, classes=2, **dials)
    model = module.build(shape)
    images = jnp.ones((1, shape.image, shape.image, 1))
    abstract = jax.eval_shape(model.init, jax.random.key(0), images)
    variables = positive(abstract)
    field = [layer for layer in shape.layers() if layer.receptive][-1]
    assert field.receptive is not None
    positions = (0, field.out[0] // 2, field.out[0] - 1)

    def feature(images: jax.Array, at: jax.Array) -> jax.Array:
        return feature_map(model, variables, images)[0, at, at].sum()

    gradient = battery.run(jax.vmap(jax.grad(feature), (None, 0)), images, jnp.array(positions))
    for position, seen in zip(positions, np.asarray(gradient), strict=True):
        start = field.receptive.start + position * field.receptive.stride
        end = start + field.receptive.size
        rows, columns = np.nonzero(seen[0, :, :, 0])
        for reached in (rows, columns):
            assert reached.min() == max(start, 0)
            assert reached.max() == min(end, shape.image) - 1


def test_the_effective_field_is_smaller_and_grows_with_depth() -> None:
    sides = []
    for depth in (8, 20):
        shape = get("resnet").from_dials(image=33, channels=1, classes=2, width=4, depth=depth)
        model = models.get("resnet").build(shape)
        images = jax.random.normal(jax.random.key(0), (16, 33, 33, 1))
        variables = battery.run(model.init, jax.random.key(1), images[:1])
        seen = effective(model, variables, images)
        assert seen.map.shape == (33, 33)
        assert seen.map.sum() == pytest.approx(1)
        assert seen.side < min(shape.receptive_field, 33)
        sides.append(seen.side)
    assert sides[0] < sides[1]


class Window(nn.Module):
    """A net whose effective field is known: the sum over a window of 5 x 5."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = nn.avg_pool(images, (5, 5), (1, 1), "SAME")
        self.sow("intermediates", "features", x)
        return x.mean((1, 2))


def test_a_known_field_is_found() -> None:
    seen = effective(Window(), {}, jnp.zeros((2, 15, 15, 3)))
    np.testing.assert_allclose(seen.map[5:10, 5:10], 1 / 25, rtol=1e-6)
    assert seen.map.sum() == pytest.approx(1)
    assert SHARE > 20 / 25  # a square of 4 x 5 would not do
    assert seen.side == 5


def test_a_net_without_positions_has_no_field() -> None:
    shape = get("mlp").from_dials(image=8, channels=1, classes=2, width=4)
    model = models.get("mlp").build(shape)
    images = jnp.zeros((1, 8, 8, 1))
    variables = battery.run(model.init, jax.random.key(0), images)
    with pytest.raises(InputError, match="no feature map"):
        effective(model, variables, images)
