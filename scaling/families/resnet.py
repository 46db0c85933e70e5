"""Residual net (He et al. 2015, arXiv:1512.03385): basic or bottleneck blocks, in the layout for
ImageNet (four stages behind a 7x7 stem) or for CIFAR (three stages behind a 3x3 stem).

On the ImageNet layout the size picks the deepest published net that is not larger, and widens it;
on the CIFAR layout (usual below 64 pixels) it sets the width. Any depth that the layout allows is
a dial: 1,202 layers by `depth=1202`. Its plain counterpart (section 4.2), the same layers without
shortcuts, is `shortcut="none"`.
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
    nearest,
    off,
    usual_layout,
)
from scaling.families.layers import Layer, Layered
from scaling.families.path import Path

NAME = "resnet"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "depth", "block", "layout", "shortcut", "zero_init", "norm")
SIZED = ("width",)
BLOCKS = True
# Blocks of the four stages: He et al. 2015, Table 1; 200: He et al. 2016 (arXiv:1603.05027); 10, 14
# and 26 are the usual smaller ones.
STAGES = {
    ("basic", 10): (1, 1, 1, 1),
    ("basic", 18): (2, 2, 2, 2),
    ("basic", 34): (3, 4, 6, 3),
    ("bottleneck", 14): (1, 1, 1, 1),
    ("bottleneck", 26): (2, 2, 2, 2),
    ("bottleneck", 50): (3, 4, 6, 3),
    ("bottleneck", 101): (3, 4, 23, 3),
    ("bottleneck", 152): (3, 8, 36, 3),
    ("bottleneck", 200): (3, 24, 36, 3),
}
# The published ladder, by size.
LADDER = (
    ("basic", 18),
    ("basic", 34),
    ("bottleneck", 50),
    ("bottleneck", 101),
    ("bottleneck", 152),
)
CONVOLUTIONS = {"basic": 2, "bottleneck": 3}
EXPANSION = {"basic": 1, "bottleneck": 4}
WIDTH = {"imagenet": 64, "cifar": 16}
CIFAR_DEPTH = 20
MAX_WIDTH = 20_000


@dataclass(frozen=True)
class ResNet(Layered):
    """`width` channels in the first stage, twice as many in each that follows; bottleneck blocks
    give out four times as many.

    shortcut: what a block that changes its shape adds: a 1x1 "projection" (option B) or the
    "identity" with channels of zeros (option A); "none": no block adds anything. zero_init: the
    last gain of a block starts at 0. norm: "batch", or "none" (convolutions then have biases).
    """

    width: int
    depth: int
    block: Literal["basic", "bottleneck"]
    layout: Literal["imagenet", "cifar"]
    shortcut: Literal["projection", "identity", "none"]
    image: int
    channels: int
    classes: int
    zero_init: bool = False
    norm: Literal["batch", "none"] = "batch"

    def __post_init__(self) -> None:
        check_choice(NAME, "block", self.block, ("basic", "bottleneck"))
        check_choice(NAME, "layout", self.layout, ("imagenet", "cifar"))
        check_choice(NAME, "shortcut", self.shortcut, ("projection", "identity", "none"))
        check_choice(NAME, "zero_init", self.zero_init, (True, False))
        check_choice(NAME, "norm", self.norm, ("batch", "none"))
        if self.zero_init and "none" in (self.shortcut, self.norm):
            raise InputError(
                f"resnet: zero_init with shortcut = {self.shortcut!r} and norm = {self.norm!r}; it "
                "sets the gain before a shortcut's sum, so valid with both"
            )
        whole = ("width", "depth", "image", "channels", "classes")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        _ = self.blocks(), self._listed  # a wrong depth or image is an error here

    def blocks(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        if self.layout == "imagenet":
            if (self.block, self.depth) not in STAGES:
                valid = ", ".join(str(depth) for block, depth in STAGES if block == self.block)
                raise InputError(
                    f"resnet: depth {self.depth} with {self.block} blocks; valid on the imagenet "
                    f"layout: {valid}"
                )
            return STAGES[self.block, self.depth]
        step = 3 * CONVOLUTIONS[self.block]
        n, over = divmod(self.depth - 2, step)
        if over or n < 1:
            near = [step * m + 2 for m in (max(1, n), max(1, n) + 1)]
            raise InputError(
                f"resnet: depth {self.depth} with {self.block} blocks; valid on the cifar layout: "
                f"{step} n + 2, nearest {near[0]} and {near[1]}"
            )
        return (n, n, n)

    def layers(self) -> tuple[Layer, ...]:
        path = Path(NAME, self.image, self.channels)
        imagenet = self.layout == "imagenet"
        kernel, stride = (7, 2) if imagenet else (3, 1)
        self._convolution(path, "stem", self.width, kernel, stride)
        path.relu("relu_stem")
        if imagenet:
            path.max_pool("max_pool", 3, 2, 1)
        for stage, blocks in enumerate(self.blocks(), 1):
            for block in range(1, blocks + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                width = 2 ** (stage - 1) * self.width
                self._block(path, f"stage_{stage}_block_{block}", width, stride)
        path.mean("mean_pool")
        path.dense("head", self.classes, group="head")
        return tuple(path.layers)

    def _block(self, path: Path, name: str, width: int, stride: int) -> None:
        """The stride is in the 3x3 convolution, in a bottleneck too (as is usual since 2016)."""
        outputs = EXPANSION[self.block] * width
        path.block = name
        around = path.branch()
        windows: tuple[tuple[int, int, int], ...]
        if self.block == "basic":
            windows = ((width, 3, stride), (outputs, 3, 1))
        else:
            windows = ((width, 1, 1), (width, 3, stride), (outputs, 1, 1))
        for n, (channels, kernel, step) in enumerate(windows, 1):
            self._convolution(path, str(n), channels, kernel, step, name=f"{name}/")
            if n < len(windows):
                path.relu(f"{name}/relu_{n}")
        if self.shortcut != "none":
            if stride > 1 or around.channels != outputs:
                if self.shortcut == "projection":
                    self._convolution(around, "shortcut", outputs, 1, stride, name=f"{name}/")
                else:
                    around.shortcut(f"{name}/shortcut", outputs, stride)
            path.join(f"{name}/add", around)
        path.relu(f"{name}/relu")
        path.block = ""

    def _convolution(
        self, path: Path, which: str, outputs: int, kernel: int, stride: int, *, name: str = ""
    ) -> None:
        """A convolution and its norm, or its bias where there is no norm."""
        plain = self.norm == "none"
        path.convolution(f"{name}convolution_{which}", outputs, kernel, stride=stride, bias=plain)
        if not plain:
            path.batch_norm(f"{name}norm_{which}")

    def to_dict(self) -> dict[str, Any]:
        """Its fields; `norm`, which came later, is left out at its default, for cells' ids."""
        return {k: v for k, v in asdict(self).items() if (k, v) != ("norm", "batch")}


def from_size(size: float, *, count: str = "N", **fixed: Any) -> ResNet:
    """The net whose parameters are nearest to `size` in ratio.

    A given depth leaves the width to the size, a given width the depth. With neither: on the
    ImageNet layout the deepest published net that is not larger, widened as far as it takes (or the
    next one, where that is nearer); on the CIFAR layout the width at depth 20.
    """
    check_dials(NAME, fixed, DATA + DIALS)
    if "depth" not in fixed and from_dials(**{"width": 1, **fixed}).layout == "imagenet":
        return _of_published(size, count, fixed)
    block = fixed.get("block", "basic")
    check_choice(NAME, "block", block, tuple(CONVOLUTIONS))
    step = 3 * CONVOLUTIONS[block]
    return by_width_or_depth(
        NAME,
        from_dials,
        size,
        count,
        fixed,
        last_width=MAX_WIDTH,
        depth=lambda n: step * n + 2,
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> ResNet:
    """The net of these dials; a width or a depth must be among them."""
    check_dials(NAME, dials, DIALS)
    if "width" not in dials and "depth" not in dials:
        raise InputError("resnet: no size; give a size, a width or a depth")
    layout = dials.get("layout", usual_layout(NAME, image))
    check_choice(NAME, "layout", layout, ("imagenet", "cifar"))
    shape = {"layout": layout, "width": WIDTH[layout], **dials}
    if layout == "cifar":
        usual = {"block": "basic", "depth": CIFAR_DEPTH, "shortcut": "identity"}
    else:
        deep = "depth" in dials and ("basic", dials["depth"]) not in STAGES
        block = dials.get("block", "bottleneck" if deep else "basic")
        depth = 50 if block == "bottleneck" else 18
        usual = {"block": block, "depth": depth, "shortcut": "projection"}
    return ResNet(image=image, channels=channels, classes=classes, **{**usual, **shape})


def _of_published(size: float, count: str, fixed: dict[str, Any]) -> ResNet:
    rungs = [
        from_dials(**{"width": WIDTH["imagenet"], **fixed, "block": block, "depth": depth})
        for block, depth in LADDER
        if fixed.get("block", block) == block
    ]
    if "width" in fixed:
        return nearest(NAME, lambda n: rungs[n], size, count, first=0, last=len(rungs) - 1)
    # The last that is not larger, wider or (below the first) narrower; or the next as published.
    n = max(sum(getattr(rung, count) <= size for rung in rungs), 1)
    dials = {"block": rungs[n - 1].block, "depth": rungs[n - 1].depth}
    widened = by_width_or_depth(
        NAME, from_dials, size, count, {**fixed, **dials}, last_width=MAX_WIDTH
    )
    return min((widened, *rungs[n : n + 1]), key=lambda shape: off(shape, size, count))
