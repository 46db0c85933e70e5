"""Vision transformer: patches, a class token, learned positions, pre-norm blocks with biases.

Dosovitskiy et al. 2021 (arXiv:2010.11929). One dial (`size`) sets width, depth and the MLP's width
along the shapes of SoViT (Alabdulmohsin et al. 2023, arXiv:2305.13035). The Flax module of the same
shape is `scaling.models.vit`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log
from typing import Any, Literal

from scaling.errors import InputError
from scaling.families import Unit
from scaling.families.attention import block, matrix, norm, position, usual_heads
from scaling.families.ladder import (
    check_choice,
    check_dials,
    check_no_width,
    check_whole,
    nearest,
)
from scaling.families.layers import Layer, Layered

NAME = "vit"
UNIT: Unit = "image"
DATA = ("image", "channels", "classes")
DIALS = ("width", "depth", "heads", "mlp_width", "patch", "pool", "preset")
SIZED = ("width", "depth", "heads", "mlp_width")
BLOCKS = True
WIDTH_STEP = 8
MAX_WIDTH = 16_384
# Width, depth, heads of the published shapes; their MLPs are four times as wide, patches of 16.
PRESETS = {"Ti": (192, 12, 3), "S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16)}
# Width, depth and MLP width of SoViT-150m/14 and SoViT-400m/14.
SOVIT = ((880, 18, 2320), (1152, 27, 4304))
# A patch has at most 16 pixels a side, ViT's own; small images are cut into 7 x 7 or more.
LARGEST_PATCH = 16
LEAST_GRID = 7


@dataclass(frozen=True)
class ViT(Layered):
    """The shape of one vision transformer; `image`, `channels`, `classes` come from the data.

    pool: the head reads the class token, or the mean over patches (then there's no class token).
    """

    image: int
    channels: int
    classes: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    pool: Literal["token", "mean"] = "token"

    def __post_init__(self) -> None:
        whole = ("image", "channels", "classes", "width", "depth", "heads", "mlp_width", "patch")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        check_encoder(NAME, self.image, self.patch, self.width, self.heads)
        check_choice(NAME, "pool", self.pool, ("token", "mean"))

    @property
    def tokens(self) -> int:
        """Positions of the sequence: patches, and the class token."""
        return (self.image // self.patch) ** 2 + (self.pool == "token")

    def layers(self) -> tuple[Layer, ...]:
        w, tokens = self.width, self.tokens
        pooled = w if self.pool == "token" else tokens * w
        return (
            *encoder(
                self.image, self.channels, self.patch, w, self.depth, self.heads, self.mlp_width,
                token=self.pool == "token",
            ),
            matrix("head", "head", "head", 1, w, self.classes, other_flops=pooled),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def encoder(
    image: int, channels: int, patch: int, width: int, depth: int, heads: int, hidden: int,
    *, token: bool,
) -> tuple[Layer, ...]:  # fmt: skip
    """From pixels to one normalised vector a patch, and one for the class token."""
    number, pixels = (image // patch) ** 2, patch**2 * channels
    tokens = number + token
    return (
        matrix(
            "patch", "patch", "patch", number, pixels, width, first=True, saved=3 * number * width
        ),
        *((Layer("token", "token", (width,), "token", width),) if token else ()),
        position("position", tokens, width),
        *(part for i in range(depth) for part in block("encoder", i, tokens, width, heads, hidden)),
        norm("encoder/final_norm", tokens, width),
    )


def check_encoder(family: str, image: int, patch: int, width: int, heads: int) -> None:
    """Raise InputError where patches don't fill the image, or heads the width."""
    if image % patch:
        fits = ", ".join(str(p) for p in _divisors(image))
        raise InputError(
            f"{family}: patches of {patch} pixels don't divide an image of {image}; valid: {fits}"
        )
    if width % heads:
        fits = ", ".join(str(h) for h in _divisors(width))
        raise InputError(f"{family}: {heads} heads don't divide the width {width}; valid: {fits}")


def from_size(
    size: float, *, image: int, channels: int, classes: int, count: str = "N", **fixed: Any
) -> ViT:
    """The vision transformer whose N (or N_total: the same here) is nearest to `size` in ratio.

    `fixed` pins other dials (`patch=7`, `depth=4`); the width is the size's.
    Raises InputError where no shape comes within a factor of 1.5 of `size`.
    """
    check_no_width(NAME, fixed)
    check_dials(NAME, fixed, tuple(dial for dial in DIALS if dial not in ("width", "preset")))
    data = {"image": image, "channels": channels, "classes": classes}
    return nearest(
        NAME,
        lambda step: from_dials(width=step * WIDTH_STEP, **data, **fixed),
        size,
        count,
        last=MAX_WIDTH // WIDTH_STEP,
        describe=lambda shape: f"width {shape.width}, depth {shape.depth}",
    )


def from_dials(*, image: int, channels: int, classes: int, **dials: Any) -> ViT:
    """The vision transformer of these dials; a `width` or a `preset` must be among them."""
    check_dials(NAME, dials, DIALS)
    preset = dials.pop("preset", None)
    if preset is not None:
        dials = {**_preset(preset), **dials}
    if "width" not in dials:
        raise InputError("vit: no size; give a size, a width or a preset")
    check_whole(NAME, image=image, width=dials["width"])
    usual = usual_shape(dials["width"])
    if "patch" not in dials:
        usual["patch"] = usual_patch(NAME, image)
    return ViT(image=image, channels=channels, classes=classes, **{**usual, **dials})


def _preset(name: str) -> dict[str, int]:
    check_choice(NAME, "preset", name, tuple(PRESETS))
    width, depth, heads = PRESETS[name]
    return {"width": width, "depth": depth, "heads": heads, "mlp_width": 4 * width, "patch": 16}


def usual_shape(width: int) -> dict[str, int]:
    """Depth, heads and MLP width at this width: the power laws through both published SoViTs.

    Per e-fold of width that is 1.51 of depth and 2.29 of MLP. Below the smaller SoViT they would
    make the MLP narrower than the width, so there its proportions stay; at least 2 blocks.
    """
    (w, depth, inner), (w_large, depth_large, inner_large) = SOVIT
    if width > w:
        along = log(width / w) / log(w_large / w)
        depth_here = depth * (depth_large / depth) ** along
        inner_here = inner * (inner_large / inner) ** along
    else:
        depth_here, inner_here = depth * width / w, inner * width / w
    return {
        "width": width,
        "depth": max(2, round(depth_here)),
        "heads": usual_heads(width),
        "mlp_width": max(WIDTH_STEP, WIDTH_STEP * round(inner_here / WIDTH_STEP)),
    }


def usual_patch(family: str, image: int) -> int:
    """The largest patch of at most 16 pixels that cuts the image into 7 x 7 or more, else 2 x 2.

    16 at 224 pixels (14 x 14 patches, as published), 4 at 28 (7 x 7), 2 at 8 (4 x 4): patches of
    7 would leave 4 x 4 of a 28-pixel image, each of them an unstructured vector of 49 pixels.
    """
    divisors = [p for p in _divisors(image) if 2 <= p <= LARGEST_PATCH]
    fine = [p for p in divisors if image // p >= LEAST_GRID]
    if not divisors:
        raise InputError(
            f"{family}: no patch of 2 to {LARGEST_PATCH} pixels divides an image of {image}; "
            "resize the images or give patch"
        )
    return max(fine) if fine else min(divisors)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
