"""A folder of JPEGs like photographs in size and cost, made quickly."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, QUALITY = 400, 300, 85
# So many are encoded; every file is one of them with a comment of its own, so no two are equal.
DISTINCT = 200
START = b"\xff\xd8"
COMMENT = b"\xff\xfe"


def generate(root: Path, images: int, classes: int) -> None:
    """`images` files in the class folders of `root/train`, evenly."""
    encodings = [_encoded(seed) for seed in range(min(DISTINCT, images))]
    folders = [root / "train" / f"class-{n:04d}" for n in range(classes)]
    for folder in folders:
        folder.mkdir(parents=True)
    for n in range(images):
        told = b"%08d" % n
        comment = COMMENT + (len(told) + 2).to_bytes(2, "big") + told
        whole = START + comment + encodings[n % len(encodings)][len(START) :]
        (folders[n % classes] / f"{n:08d}.JPEG").write_bytes(whole)


def opened(encoded: bytes) -> Image.Image:
    """As most scripts open one."""
    return Image.open(io.BytesIO(encoded))


def _encoded(seed: int) -> bytes:
    """Smooth colours with noise on them: as hard to decode as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(float)
    noisy = smooth + rng.normal(0, 20, (HEIGHT, WIDTH, 1))
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
