"""Fully connected and convolutional families: usual dials, ladders, and what can't be built."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.families import get
from scaling.families.layers import Receptive, convolution

IMAGE = {"image": 28, "channels": 1, "classes": 10}
IMAGENET = {"image": 224, "channels": 3, "classes": 1000}


@pytest.mark.parametrize(
    ("family", "dials", "message"),
    [
        ("mlp", {}, "no size; give a size or a width"),
        ("mlp", {"width": 4, "dept": 2}, "unknown dial 'dept', valid: width, depth"),
        ("mlp", {"width": 4, "depth": 0}, "depth = 0, must be a whole number"),
        ("mlp", {"width": 2.5}, "width = 2.5, must be a whole number"),
        ("cnn", {"width": 4, "stages": 7}, "nothing of the image is left at max_pool_5"),
        ("cnn", {"width": 4, "depth": 2, "stages": 3}, "a depth of at least 3"),
        ("cnn", {"width": 4, "norm": "layer"}, "norm = 'layer', valid: batch, none"),
        ("vgg", {"width": 4, "depth": 12}, "depth = 12, valid: 11, 13, 16, 19"),
        ("vgg", {"width": 4, "layout": "imagenet"}, "nothing of the image is left at max_pool_5"),
        ("vgg", {"width": 4, "dropout": 1.0}, "dropout = 1.0, must be at least 0 and below 1"),
        ("alexnet", {"width": 5}, "does not divide into 2 groups; valid are multiples of 2"),
        ("alexnet", {"width": 6, "layout": "imagenet"}, "is left at max_pool_2: its window of 3"),
        ("alexnet", {"width": 6, "response_norm": 1}, "response_norm = 1, valid: true, false"),
        ("resnet", {}, "no size; give a size, a width or a depth"),
        ("resnet", {"depth": 21}, "valid on the cifar layout: 6 n + 2, nearest 20 and 26"),
        ("resnet", {"depth": 2}, "nearest 8 and 14"),
        ("resnet", {"depth": 20, "block": "botleneck"}, "valid: basic, bottleneck"),
        ("resnet", {"depth": 51, "layout": "imagenet"}, "14, 26, 50, 101, 152, 200"),
        ("resnet", {"depth": 20, "layout": "cifar10"}, "valid: imagenet, cifar"),
        ("resnet", {"depth": 20, "shortcut": "skip"}, "valid: projection, identity, none"),
        ("resnet", {"depth": 20, "shortcut": "none", "zero_init": True}, "so valid with both"),
        ("resnet", {"depth": 20, "norm": "none", "zero_init": True}, "so valid with both"),
    ],
)
def test_shapes_that_cannot_be_built(family: str, dials: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        get(family).from_dials(**IMAGE, **dials)
    assert str(caught.value).startswith(f"{family}: ")


@pytest.mark.parametrize("family", ["mlp", "cnn", "vgg", "alexnet", "resnet"])
@pytest.mark.parametrize("size", [1, 1e19, 0, -1, float("inf"), float("nan")])
def test_sizes_that_cannot_be_built(family: str, size: float) -> None:
    with pytest.raises(InputError, match=r"no shape near N|must be a positive number"):
        get(family).from_size(size, **IMAGE)


def test_a_size_leaves_one_dial_free() -> None:
    with pytest.raises(InputError, match="a size, a width and a depth"):
        get("resnet").from_size(1e6, width=8, depth=20, **IMAGE)
    with pytest.raises(InputError, match="unknown dial 'wide'"):
        get("cnn").from_size(1e6, wide=8, **IMAGE)


@pytest.mark.parametrize(("family", "width"), [("mlp", 40), ("cnn", 8), ("resnet", 16)])
def test_a_given_width_grows_in_depth(family: str, width: int) -> None:
    sizes = np.geomspace(1e5, 1e6, 5)
    shapes = [get(family).from_size(size, width=width, **IMAGE) for size in sizes]
    assert all(a.N < b.N and a.depth < b.depth for a, b in itertools.pairwise(shapes))
    assert all(shape.width == width for shape in shapes)


@given(st.floats(3e4, 1e10))
@settings(deadline=None, max_examples=10)
def test_the_imagenet_ladder_is_near_every_size(size: float) -> None:
    shape = get("resnet").from_size(size, **IMAGENET)
    assert max(shape.N / size, size / shape.N) < 1.2
    assert shape.width == 64 or shape.depth == 18 or shape.width > 64


@pytest.mark.parametrize("depth", [8, 56, 110])
def test_a_plain_net_is_its_residual_counterpart_without_sums(depth: int) -> None:
    """Identity shortcuts add neither parameters nor products (He et al. 2015, section 4.2)."""
    residual = get("resnet").from_dials(depth=depth, **IMAGE)
    plain = get("resnet").from_dials(depth=depth, shortcut="none", **IMAGE)
    assert residual.shortcut == "identity"
    assert plain.parameters() == residual.parameters()
    assert plain.training_flops() == residual.training_flops()
    assert plain.receptive_field == residual.receptive_field
    sums = ("add", "shortcut")
    assert plain.layers() == tuple(x for x in residual.layers() if x.kind not in sums)


def test_a_norm_that_is_as_usual_changes_no_cell() -> None:
    assert "norm" not in get("resnet").from_dials(depth=8, **IMAGE).to_dict()
    assert get("resnet").from_dials(depth=8, norm="none", **IMAGE).to_dict()["norm"] == "none"


def test_the_imagenet_ladder_never_falls() -> None:
    shapes = [get("resnet").from_size(size, **IMAGENET) for size in np.geomspace(1e7, 1e8, 16)]
    pairs = list(itertools.pairwise(shapes))
    assert all(a.N <= b.N and a.depth <= b.depth for a, b in pairs)
    assert {shape.depth for shape in shapes} == {18, 34, 50, 101, 152}


def test_usual_dials_follow_the_image() -> None:
    def stages(image: int) -> int:
        return get("cnn").from_dials(width=4, image=image, channels=1, classes=2).stages

    assert [stages(image) for image in (8, 28, 32, 64, 224)] == [2, 3, 3, 4, 6]
    for family in ("vgg", "resnet", "alexnet"):
        layouts = [
            get(family).from_dials(width=8, image=image, channels=3, classes=2).layout
            for image in (32, 224)
        ]
        assert layouts == ["cifar", "imagenet"]
    assert get("vgg").from_dials(width=4, **IMAGE).norm == "batch"
    assert get("vgg").from_dials(width=4, **IMAGENET).norm == "none"


@given(
    side=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
)
@settings(deadline=None)
def test_padding_is_what_falls_outside(side: int, kernel: int, stride: int, padding: int) -> None:
    layer = convolution("c", side, 3, 4, kernel, stride=stride, padding=padding)
    places = range(-padding, side + padding - kernel + 1, stride)
    inside = sum(0 <= place + tap < side for place in places for tap in range(kernel))
    assert layer.out == (len(places), len(places), 4)
    assert layer.flops == 2 * 3 * 4 * (len(places) * kernel) ** 2
    assert layer.flops - layer.padding_flops == 2 * 3 * 4 * inside**2


def test_fields_of_windows_and_of_sums() -> None:
    stem = Receptive().window(7, 2, 3).window(3, 2, 1)
    assert (stem.size, stem.stride, stem.start) == (11, 4, -5)
    branch = stem.window(3, 1, 1)
    assert stem.joined(branch) == branch
    assert branch.joined(stem) == branch
