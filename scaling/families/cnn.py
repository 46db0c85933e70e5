"""Plain convolutional net: stages of 3x3 convolutions, each with half the side and twice the
channels of the one before; then the mean over positions and a dense head.

The size sets the width, the channels of the first stage; the depth is the number of convolutions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scaling.errors import InputError
from scaling.families import Unit
from scaling.families.ladder import (
    by_width_or_depth,
    check_choice,
    check_dials,
    check_whole,
    given_width,
)
from scaling.families.layers import Layer, Layered
from scaling.families.path import Path

NAME = "cnn"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "depth", "stages", "norm")
SIZED = ("width",)
BLOCKS = True
# Convolutions a stage, and the side that the last stage is left with at most.
USUAL_CONVOLUTIONS = 2
LAST_SIDE = 8
MAX_WIDTH = 100_000


@dataclass(frozen=True)
class CNN(Layered):
    """`depth` convolutions in `stages` stages of `width`, 2 `width`, 4 `width`, ... channels."""

    width: int
    depth: int
    stages: int
    image: int
    channels: int
    classes: int
    norm: Literal["batch", "none"] = "batch"

    def __post_init__(self) -> None:
        check_choice(NAME, "norm", self.norm, ("batch", "none"))
        check_whole(NAME, **{k: v for k, v in asdict(self).items() if k != "norm"})
        if self.depth < self.stages:
            raise InputError(
                f"cnn: depth {self.depth} in {self.stages} stages; each stage needs a convolution, "
                f"so valid is a depth of at least {self.stages}"
            )
        _ = self._listed  # strides that leave nothing of the image are an error here

    def convolutions(self) -> tuple[int, ...]:
        """Convolutions of each stage: `depth` spread evenly, earlier stages first."""
        each, over = divmod(self.depth, self.stages)
        return tuple(each + (stage < over) for stage in range(self.stages))

    def layers(self) -> tuple[Layer, ...]:
        path = Path(NAME, self.image, self.channels)
        n = 0
        for stage, convolutions in enumerate(self.convolutions()):
            if stage:
                path.max_pool(f"max_pool_{stage}", 2, 2)
            for _ in range(convolutions):
                n += 1
                path.block = f"convolution_{n}"
                path.convolution(
                    f"convolution_{n}", 2**stage * self.width, 3, bias=self.norm == "none"
                )
                if self.norm == "batch":
                    path.batch_norm(f"norm_{n}")
                path.relu(f"relu_{n}")
                path.block = ""
        path.mean("mean_pool")
        path.dense("head", self.classes, group="head")
        return tuple(path.layers)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_size(size: float, *, count: str = "N", **fixed: Any) -> CNN:
    """The net whose parameters are nearest to `size` in ratio, by its width (or, where the width
    is given and no depth, by its depth)."""
    check_dials(NAME, fixed, DATA + DIALS)
    stages = fixed.get("stages", 1)
    check_whole(NAME, stages=stages)
    return by_width_or_depth(
        NAME,
        from_dials,
        size,
        count,
        fixed,
        last_width=MAX_WIDTH,
        first_step=stages,
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> CNN:
    """The net of these dials; `width` must be among them."""
    given_width(NAME, dials, DIALS)
    check_whole(NAME, image=image, **{k: v for k, v in dials.items() if k in ("depth", "stages")})
    stages = dials.get("stages", min(usual_stages(image), dials.get("depth", image)))
    shape = {"depth": USUAL_CONVOLUTIONS * stages, "stages": stages, **dials}
    return CNN(image=image, channels=channels, classes=classes, **shape)


def usual_stages(image: int) -> int:
    """As many as leave at most 8 pixels a side: 2 for 8 pixels, 3 for 28 and 32, 6 for 224."""
    stages = 2
    while image >> (stages - 1) > LAST_SIDE:
        stages += 1
    return stages
