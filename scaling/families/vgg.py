"""VGG (Simonyan & Zisserman 2014, arXiv:1409.1556): stages of 3x3 convolutions, pools between
them, three dense layers with dropout.

The depth is one of the published configurations A, B, D, E: 11, 13, 16, 19. On the CIFAR layout
(usual below 64 pixels; Liu & Deng 2015) each convolution is normalised, the dense layers have 8
`width` units rather than 64 `width`, and a pool is left out where one pixel is left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scaling.families import Unit
from scaling.families.ladder import (
    by_width_or_depth,
    check_choice,
    check_dials,
    check_whole,
    given_width,
    set_shares,
    usual_layout,
)
from scaling.families.layers import Layer, Layered
from scaling.families.path import Path

NAME = "vgg"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "depth", "layout", "norm", "dropout")
SIZED = ("width",)
BLOCKS = True
# Convolutions of the five stages: Table 1.
STAGES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
# Channels of each stage and units of the hidden dense layers, in widths (64 as published).
CHANNELS = (1, 2, 4, 8, 8)
UNITS = {"imagenet": 64, "cifar": 8}
PUBLISHED_WIDTH = 64
USUAL_DEPTH = 16
DROPOUT = 0.5
MAX_WIDTH = 10_000


@dataclass(frozen=True)
class VGG(Layered):
    """`depth` layers with weights; `width` channels in the first stage."""

    width: int
    depth: int
    layout: Literal["imagenet", "cifar"]
    norm: Literal["batch", "none"]
    image: int
    channels: int
    classes: int
    dropout: float = DROPOUT

    def __post_init__(self) -> None:
        whole = ("width", "depth", "image", "channels", "classes")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        check_choice(NAME, "depth", self.depth, tuple(STAGES))
        check_choice(NAME, "layout", self.layout, ("imagenet", "cifar"))
        check_choice(NAME, "norm", self.norm, ("batch", "none"))
        set_shares(NAME, self, "dropout")
        _ = self._listed  # pools that leave nothing of the image are an error here

    @property
    def dense_width(self) -> int:
        """Units of each hidden dense layer."""
        return UNITS[self.layout] * self.width

    def layers(self) -> tuple[Layer, ...]:
        path = Path(NAME, self.image, self.channels)
        n = 0
        for stage, convolutions in enumerate(STAGES[self.depth]):
            for _ in range(convolutions):
                n += 1
                path.block = f"convolution_{n}"
                width = CHANNELS[stage] * self.width
                path.convolution(f"convolution_{n}", width, 3, bias=True)
                if self.norm == "batch":
                    path.batch_norm(f"norm_{n}")
                path.relu(f"relu_{n}")
                path.block = ""
            if path.side > 1 or self.layout == "imagenet":
                path.max_pool(f"max_pool_{stage + 1}", 2, 2)
        for dense in (1, 2):
            path.dense(f"dense_{dense}", self.dense_width)
            path.dense_relu(f"relu_dense_{dense}")
            path.dropout(f"dropout_{dense}")
        path.dense("head", self.classes, group="head")
        return tuple(path.layers)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_size(size: float, *, count: str = "N", **fixed: Any) -> VGG:
    """The net whose parameters are nearest to `size` in ratio, by its width (or, where the width
    is given and no depth, by its depth)."""
    check_dials(NAME, fixed, DATA + DIALS)
    depths = tuple(STAGES)
    return by_width_or_depth(
        NAME,
        from_dials,
        size,
        count,
        fixed,
        last_width=MAX_WIDTH,
        depth=lambda step: depths[step],
        first_step=0,
        last_step=len(depths) - 1,
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> VGG:
    """The net of these dials; a width or a depth must be among them. A depth alone is the
    published net, 64 channels wide."""
    if "depth" in dials:
        dials = {"width": PUBLISHED_WIDTH, **dials}
    given_width(NAME, dials, DIALS)
    layout = dials.get("layout", usual_layout(NAME, image))
    norm = "batch" if layout == "cifar" else "none"
    shape = {"depth": USUAL_DEPTH, "layout": layout, "norm": norm, **dials}
    return VGG(image=image, channels=channels, classes=classes, **shape)
