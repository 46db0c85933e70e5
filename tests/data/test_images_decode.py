"""Pixels from real encoded images: any mode, any size, crops where they should be."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.decode import (
    AREA,
    NUMBERS,
    RATIO,
    UnreadableImageError,
    centre_box,
    centre_pixels,
    random_box,
    training_pixels,
)

Image = pytest.importorskip(
    "PIL.Image", reason="Pillow is missing: pip install 'scaling-laws[train]'"
)


def encode(picture: Any, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def gradient(width: int, height: int) -> Any:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))


def raw(seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, 2**64, NUMBERS, np.uint64)


# What Pillow writes of each format.
MODES = {
    "PNG": ["RGB", "L", "1", "P", "LA", "RGBA", "I;16"],
    "JPEG": ["RGB", "L", "1", "CMYK"],
    "WEBP": ["RGB", "L", "P", "LA", "RGBA"],
}


@pytest.mark.parametrize(("form", "mode"), [(f, m) for f, modes in MODES.items() for m in modes])
def test_every_mode_comes_out_as_rgb(form: str, mode: str) -> None:
    colour = np.zeros((40, 60, 3), np.uint8)
    colour[:, :, 0] = 200
    if mode == "I;16":
        picture = Image.fromarray(np.full((40, 60), 128 * 257, np.uint16))
    else:
        picture = Image.fromarray(colour).convert(mode)
    encoded = encode(picture, form)
    for pixels in (centre_pixels(encoded, 16), training_pixels(encoded, 16, raw(0))):
        assert pixels.shape == (16, 16, 3)
        assert pixels.dtype == np.uint8
    # 60 is the luma of a red of 200; black and white dither to it.
    grey = {"L": 60, "LA": 60, "1": 60, "I;16": 128}
    expected = [grey[mode]] * 3 if mode in grey else [200, 0, 0]
    assert np.abs(pixels.mean((0, 1)) - expected).max() < (30 if mode == "1" else 6)


def test_what_is_transparent_lies_on_black() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 255, 255, 0))
    assert centre_pixels(encode(clear), 8).max() == 0
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([255, 255, 255] * 256)
    assert centre_pixels(encode(palette, transparency=0), 8).max() == 0


def test_the_middle_is_the_middle() -> None:
    pixels = centre_pixels(encode(gradient(300, 200)), 10, share=1).astype(float)
    # A square of 200 in 300 columns: red from 255/6 to 255*5/6, green over the whole height.
    assert pixels[:, 0, 0].mean() == pytest.approx(255 / 6 + 255 / 30, abs=3)
    assert pixels[:, -1, 0].mean() == pytest.approx(255 * 5 / 6 - 255 / 30, abs=3)
    assert pixels[0, :, 1].mean() == pytest.approx(255 / 20, abs=3)
    assert pixels[-1, :, 1].mean() == pytest.approx(255 * 19 / 20, abs=3)


@pytest.mark.parametrize("seed", range(8))
def test_decoding_small_shows_what_decoding_whole_would(seed: int) -> None:
    # A JPEG is decoded at a fraction, a PNG never: the same crop of both must look the same.
    picture = gradient(1600, 1200)
    jpeg, png = encode(picture, "JPEG", quality=95), encode(picture, "PNG")
    for small, whole in (
        (centre_pixels(jpeg, 64), centre_pixels(png, 64)),
        (training_pixels(jpeg, 64, raw(seed)), training_pixels(png, 64, raw(seed))),
    ):
        assert np.abs(small.astype(int) - whole).max() <= 8


def test_flips_are_half_of_all() -> None:
    encoded = encode(gradient(60, 60))
    flips = [
        float(p[:, 0, 0].mean()) > float(p[:, -1, 0].mean())
        for p in (training_pixels(encoded, 8, raw(seed)) for seed in range(400))
    ]
    assert 160 < sum(flips) < 240


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_crops_lie_inside_and_have_the_area_and_shape_asked_for(
    width: int, height: int, seed: int
) -> None:
    uniform = np.random.default_rng(seed).random(NUMBERS)
    x0, y0, x1, y1 = random_box(width, height, uniform)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    if min(width, height) > 100 and RATIO[0] < width / height < RATIO[1]:
        share, ratio = (x1 - x0) * (y1 - y0) / (width * height), (x1 - x0) / (y1 - y0)
        assert AREA[0] * 0.95 < share <= AREA[1]
        assert RATIO[0] * 0.95 < ratio < RATIO[1] * 1.05
    left, top, right, bottom = centre_box(width, height, 0.875)
    assert right - left == pytest.approx(bottom - top)
    assert left + right == pytest.approx(width)
    assert top + bottom == pytest.approx(height)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["PNG", "JPEG"]))
def test_tiny_and_lopsided_images_are_enlarged(width: int, height: int, form: str) -> None:
    encoded = encode(gradient(width, height), form)
    assert centre_pixels(encoded, 32).shape == (32, 32, 3)
    assert training_pixels(encoded, 32, raw(width * height)).shape == (32, 32, 3)


@pytest.mark.parametrize("cut", [0, 1, 100, 0.3, 0.9])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_images_are_told(form: str, cut: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    encoded = encode(Image.fromarray(noise), form)
    encoded = encoded[: int(cut * len(encoded) if 0 < cut < 1 else cut)]
    with pytest.raises(UnreadableImageError):
        centre_pixels(encoded, 16)


def test_a_bomb_is_told() -> None:
    header = bytearray(encode(Image.new("L", (10, 10))))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(UnreadableImageError):
        centre_pixels(bytes(header), 16)
