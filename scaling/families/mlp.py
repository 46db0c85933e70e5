"""Fully connected net: the image as one vector, then dense layers of one width with ReLU.

The size sets the width; the depth (hidden layers) is three unless given.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scaling.families import Unit
from scaling.families.ladder import by_width_or_depth, check_dials, check_whole, given_width
from scaling.families.layers import Layer, Layered
from scaling.families.path import Path

NAME = "mlp"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "depth")
SIZED = ("width",)
BLOCKS = False
USUAL_DEPTH = 3
MAX_WIDTH = 1_000_000


@dataclass(frozen=True)
class MLP(Layered):
    """`depth` hidden layers of `width`, and the head."""

    width: int
    depth: int
    image: int
    channels: int
    classes: int

    def __post_init__(self) -> None:
        check_whole(NAME, **asdict(self))

    def layers(self) -> tuple[Layer, ...]:
        path = Path(NAME, self.image, self.channels)
        for n in range(1, self.depth + 1):
            path.dense(f"dense_{n}", self.width)
            path.dense_relu(f"relu_{n}")
        path.dense("head", self.classes, group="head")
        return tuple(path.layers)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_size(size: float, *, count: str = "N", **fixed: Any) -> MLP:
    """The net whose parameters are nearest to `size` in ratio, by its width (or, where the width
    is given and no depth, by its depth)."""
    check_dials(NAME, fixed, DATA + DIALS)
    return by_width_or_depth(
        NAME,
        from_dials,
        size,
        count,
        fixed,
        last_width=MAX_WIDTH,
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> MLP:
    """The net of these dials; `width` must be among them."""
    given_width(NAME, dials, DIALS)
    return MLP(image=image, channels=channels, classes=classes, **{"depth": USUAL_DEPTH, **dials})
