"""AlexNet (Krizhevsky, Sutskever & Hinton 2012): five convolutions, three dense layers, dropout.

One dial scales it: `width` is the channels of the first convolution, 96 as published. The
published counts are those of 227 x 227 pixels without padding in the first layer (the paper says
224, which its sizes do not fit); where 11 x 11 windows at stride 4 do not fit exactly, as at 224,
2 pixels of padding make them. On the CIFAR layout (usual below 64 pixels) the first convolution is
3 x 3 at stride 2, pools are 2 x 2, and a pool is left out where one pixel is left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scaling.errors import InputError
from scaling.families import Unit
from scaling.families.ladder import (
    check_choice,
    check_dials,
    check_no_width,
    check_whole,
    given_width,
    nearest,
    set_shares,
    usual_layout,
)
from scaling.families.layers import Layer, Layered
from scaling.families.path import Path

NAME = "alexnet"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "groups", "layout", "response_norm", "dropout")
SIZED = ("width",)
BLOCKS = False
PUBLISHED_WIDTH = 96
PUBLISHED_CHANNELS = (256, 384, 384, 256)
PUBLISHED_UNITS = 4096
# Of the second to fifth convolution: the third was the one that met both GPUs' channels.
GROUPED = (True, False, True, True)
WINDOWS = (5, 3, 3, 3)
# Channels that the response normalisation looks at: section 3.3.
NEIGHBOURS = 5
DROPOUT = 0.5
MAX_WIDTH = 10_000


@dataclass(frozen=True)
class AlexNet(Layered):
    """`groups`: of the second, fourth and fifth convolution; two as published (two GPUs)."""

    width: int
    groups: int
    layout: Literal["imagenet", "cifar"]
    image: int
    channels: int
    classes: int
    response_norm: bool = False
    dropout: float = DROPOUT

    def __post_init__(self) -> None:
        whole = ("width", "groups", "image", "channels", "classes")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        check_choice(NAME, "layout", self.layout, ("imagenet", "cifar"))
        check_choice(NAME, "response_norm", self.response_norm, (True, False))
        set_shares(NAME, self, "dropout")
        if self.width % self.groups:
            raise InputError(
                f"alexnet: width {self.width} does not divide into {self.groups} groups; valid are "
                f"multiples of {self.groups}"
            )
        _ = self._listed  # strides that leave nothing of the image are an error here

    @property
    def depth(self) -> int:
        return 8

    @property
    def convolutions(self) -> tuple[int, ...]:
        """Channels of the second to fifth, to the nearest multiple of the groups."""
        scale = self.width / PUBLISHED_WIDTH / self.groups
        return tuple(self.groups * max(1, round(scale * c)) for c in PUBLISHED_CHANNELS)

    @property
    def dense_width(self) -> int:
        """Units of each hidden dense layer."""
        return round(PUBLISHED_UNITS * self.width / PUBLISHED_WIDTH)

    @property
    def stem(self) -> tuple[int, int, int]:
        """Window, stride and padding of the first convolution."""
        if self.layout == "cifar":
            return 3, 2, 1
        return 11, 4, 0 if (self.image - 11) % 4 == 0 else 2

    @property
    def pool(self) -> int:
        """The pools' window; their stride is 2."""
        return 3 if self.layout == "imagenet" else 2

    def layers(self) -> tuple[Layer, ...]:
        path = Path(NAME, self.image, self.channels)
        window, stride, padding = self.stem
        path.convolution(
            "convolution_1", self.width, window, stride=stride, padding=padding, bias=True
        )
        self._after(path, 1)
        blocks = zip(self.convolutions, WINDOWS, GROUPED, strict=True)
        for n, (channels, window, grouped) in enumerate(blocks, 2):
            groups = self.groups if grouped else 1
            path.convolution(f"convolution_{n}", channels, window, groups=groups, bias=True)
            self._after(path, n)
        for n in (1, 2):
            path.dense(f"dense_{n}", self.dense_width)
            path.dense_relu(f"relu_dense_{n}")
            path.dropout(f"dropout_{n}")
        path.dense("head", self.classes, group="head")
        return tuple(path.layers)

    def _after(self, path: Path, n: int) -> None:
        pooled = n in (1, 2, 5) and (path.side > 1 or self.layout == "imagenet")
        path.relu(f"relu_{n}", kept=pooled)
        if n <= 2 and self.response_norm:
            path.response_norm(f"response_norm_{n}", NEIGHBOURS)
        if pooled:
            path.max_pool(f"max_pool_{n}", self.pool, 2)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_size(size: float, *, count: str = "N", **fixed: Any) -> AlexNet:
    """The net whose parameters are nearest to `size` in ratio, by its width."""
    check_dials(NAME, fixed, DATA + DIALS)
    check_no_width(NAME, fixed)
    groups = fixed.get("groups", 2)
    check_whole(NAME, groups=groups)
    return nearest(
        NAME,
        lambda step: from_dials(width=step * groups, **fixed),
        size,
        count,
        last=MAX_WIDTH,
        describe=lambda shape: f"width {shape.width}",
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> AlexNet:
    """The net of these dials; `width` must be among them."""
    given_width(NAME, dials, DIALS)
    shape = {"groups": 2, "layout": usual_layout(NAME, image), **dials}
    return AlexNet(image=image, channels=channels, classes=classes, **shape)
