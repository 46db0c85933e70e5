"""From an encoded image to pixels: decoded small where that is enough, cropped, resized, RGB.

A JPEG is decoded at a half, quarter or eighth where the crop is still at least as large as what is
asked for: most of the time of a large picture would go into pixels that resizing averages away.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.data.extras import needed

if TYPE_CHECKING:
    from PIL import Image

# Szegedy et al. 2015 (arXiv:1409.4842), section 6: the crop's share of the area, and its shape.
AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
ATTEMPTS = 10
# Raw 64-bit numbers that one training image uses: four for each attempt, one for the flip.
NUMBERS = 4 * ATTEMPTS + 1
# The centre crop's share of the resized image, as in Krizhevsky et al. 2012: 224 of 256.
CENTRE = 224 / 256

Box = tuple[float, float, float, float]


class UnreadableImageError(Exception):
    """An image that cannot be decoded: what the decoder said."""


def training_pixels(encoded: bytes, side: int, raw: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """A random resized crop, flipped or not, as `raw` [NUMBERS] decides: [side, side, 3].

    Raises UnreadableImageError.
    """
    uniform = raw / 2.0**64
    return _pixels(
        encoded,
        side,
        lambda width, height: random_box(width, height, uniform),
        flipped=bool(uniform[-1] < 0.5),
    )


def centre_pixels(encoded: bytes, side: int, share: float = CENTRE) -> NDArray[np.uint8]:
    """The centre square, `share` of the shorter side, resized: [side, side, 3].

    Raises UnreadableImageError.
    """
    return _pixels(encoded, side, lambda width, height: centre_box(width, height, share))


def random_box(width: int, height: int, uniform: NDArray[np.float64]) -> Box:
    """The crop of Szegedy et al.: area and log of the ratio are uniform, so is its place.

    After ATTEMPTS that do not fit into the image, the largest centre crop of a valid ratio.
    """
    for u_area, u_ratio, u_x, u_y in uniform[: 4 * ATTEMPTS].reshape(-1, 4):
        area = width * height * (AREA[0] + u_area * (AREA[1] - AREA[0]))
        ratio = np.exp(np.log(RATIO[0]) + u_ratio * np.log(RATIO[1] / RATIO[0]))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(u_x * (width - w + 1)), int(u_y * (height - h + 1))
            return (x, y, x + w, y + h)
    w = min(width, round(height * RATIO[1]))
    h = min(height, round(width / RATIO[0]))
    x, y = (width - w) // 2, (height - h) // 2
    return (x, y, x + w, y + h)


def centre_box(width: int, height: int, share: float) -> Box:
    """The centre square, `share` of the shorter side."""
    length = share * min(width, height)
    x, y = (width - length) / 2, (height - length) / 2
    return (x, y, x + length, y + length)


def size_and_mode(encoded: bytes) -> tuple[int, int, str]:
    """Width, height and Pillow's mode, from the header alone. Raises UnreadableImageError."""
    with _opened(encoded) as picture:
        return (*picture.size, picture.mode)


def _pixels(
    encoded: bytes, side: int, choose: Callable[[int, int], Box], flipped: bool = False
) -> NDArray[np.uint8]:
    with _opened(encoded) as picture:
        from PIL import Image

        width, height = picture.size
        box = choose(width, height)
        try:
            # Only JPEG knows it: the largest reduction that leaves the crop `side` pixels.
            picture.draft(
                None,
                (int(side * width / (box[2] - box[0])), int(side * height / (box[3] - box[1]))),
            )
            picture.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableImageError(str(error)) from None
        box = _scaled(box, picture.size, (width, height))
        resized = _rgb(picture).resize((side, side), Image.Resampling.BILINEAR, box=box)
        # Ten times as fast as a view of the array that runs backwards and is copied later.
        return np.asarray(
            resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else resized
        )


def _scaled(box: Box, now: tuple[int, int], before: tuple[int, int]) -> Box:
    """The same crop of an image that was decoded smaller; never past its edge by rounding."""
    x, y = now[0] / before[0], now[1] / before[1]
    return (box[0] * x, box[1] * y, min(box[2] * x, now[0]), min(box[3] * y, now[1]))


def _opened(encoded: bytes) -> Image.Image:
    needed("PIL", "images are decoded by Pillow", "train")
    from PIL import Image

    try:
        return Image.open(io.BytesIO(encoded))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow's own words name an object in memory.
        known = isinstance(error, Image.DecompressionBombError)
        raise UnreadableImageError(str(error) if known else "not an image") from None


def _rgb(picture: Image.Image) -> Image.Image:
    """Grey, palette, CMYK and 16-bit images as RGB; what is transparent lies on black."""
    from PIL import Image

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "black"), over).convert("RGB")
    if picture.mode.startswith("I"):
        # Pillow would clip 16 bits at 255.
        grey = np.asarray(picture).astype(np.float32) / 257
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")
