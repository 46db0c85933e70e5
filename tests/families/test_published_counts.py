"""Published configurations have their published counts; each stands with its source.

The digits to the last place are those of the models that torchvision publishes (its table of
classification weights); the papers give them rounded.
"""

from __future__ import annotations

from typing import Any

import pytest

from scaling.families import get

IMAGENET = {"image": 224, "channels": 3, "classes": 1000}
CIFAR10 = {"image": 32, "channels": 3, "classes": 10}


def shape_of(family: str, **dials: Any) -> Any:
    return get(family).from_dials(**dials)


@pytest.mark.parametrize(
    ("family", "dials", "published"),
    [
        # Krizhevsky et al. 2012, section 3: "60 million parameters"; to the digit by its
        # Figure 2 with sides 227, 55, 27, 13 and two groups in layers 2, 4, 5.
        ("alexnet", {"width": 96, "image": 227}, 60_965_224),
        # Simonyan & Zisserman 2014, Table 2: 133, 133, 138, 144 million; torchvision vgg11-19.
        ("vgg", {"width": 64, "depth": 11}, 132_863_336),
        ("vgg", {"width": 64, "depth": 13}, 133_047_848),
        ("vgg", {"width": 64, "depth": 16}, 138_357_544),
        ("vgg", {"width": 64, "depth": 19}, 143_667_240),
        # torchvision vgg16_bn.
        ("vgg", {"width": 64, "depth": 16, "norm": "batch"}, 138_365_992),
        # He et al. 2015, Table 1; torchvision resnet18-152.
        ("resnet", {"depth": 18}, 11_689_512),
        ("resnet", {"depth": 34}, 21_797_672),
        ("resnet", {"depth": 50}, 25_557_032),
        ("resnet", {"depth": 101}, 44_549_160),
        ("resnet", {"depth": 152}, 60_192_808),
    ],
)
def test_imagenet_models_have_their_published_parameters(
    family: str, dials: dict[str, Any], published: int
) -> None:
    assert shape_of(family, **{**IMAGENET, **dials}).N_total == published


# He et al. 2015, Table 6, in millions as printed.
@pytest.mark.parametrize(
    ("depth", "millions"),
    [(20, "0.27"), (32, "0.46"), (44, "0.66"), (56, "0.85"), (110, "1.7"), (1202, "19.4")],
)
def test_cifar_resnets_have_their_published_parameters(depth: int, millions: str) -> None:
    shape = shape_of("resnet", depth=depth, **CIFAR10)
    decimals = len(millions.split(".")[1])
    assert f"{shape.N_total / 1e6:.{decimals}f}" == millions
    assert (shape.layout, shape.width, shape.shortcut) == ("cifar", 16, "identity")


# Multiply-adds in thousand millions, as torchvision prints them for its weights ("GFLOPS").
@pytest.mark.parametrize(
    ("family", "dials", "published"),
    [
        ("resnet", {"depth": 18}, "1.81"),
        ("resnet", {"depth": 34}, "3.66"),
        ("resnet", {"depth": 50}, "4.09"),
        ("resnet", {"depth": 101}, "7.80"),
        ("resnet", {"depth": 152}, "11.51"),
        ("vgg", {"width": 64, "depth": 11}, "7.61"),
        ("vgg", {"width": 64, "depth": 13}, "11.31"),
        ("vgg", {"width": 64, "depth": 16}, "15.47"),
        ("vgg", {"width": 64, "depth": 19}, "19.63"),
    ],
)
def test_imagenet_models_have_their_published_multiply_adds(
    family: str, dials: dict[str, Any], published: str
) -> None:
    flops = sum(shape_of(family, **{**IMAGENET, **dials}).forward_flops().values())
    assert f"{flops / 2 / 1e9:.2f}" == published


# Araujo, Norris & Sim 2019 (Distill, "Computing receptive fields"), table of popular nets.
@pytest.mark.parametrize(
    ("family", "dials", "published"),
    [
        ("alexnet", {"width": 96}, 195),
        ("vgg", {"width": 64, "depth": 16}, 212),
    ],
)
def test_published_receptive_fields(family: str, dials: dict[str, Any], published: int) -> None:
    assert shape_of(family, **{**IMAGENET, **dials}).receptive_field == published


def test_the_size_dial_gives_the_published_nets() -> None:
    shape = get("resnet").from_size(25.6e6, **IMAGENET)
    assert (shape.depth, shape.width, shape.block) == (50, 64, "bottleneck")
    for depth in (18, 34, 50, 101, 152):
        published = shape_of("resnet", depth=depth, **IMAGENET)
        assert get("resnet").from_size(published.N, **IMAGENET) == published
    assert get("alexnet").from_size(6.1e7, **IMAGENET).width == 96
    assert get("vgg").from_size(1.38e8, **IMAGENET).width == 64
