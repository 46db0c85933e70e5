"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels in ten classes (Xiao et al. 2017).

Read from Debian's package `dataset-fashion-mnist` where it is installed, else downloaded once. What
is read is checked either way: the package compresses the same files anew.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scaling.data.cache import cache_folder
from scaling.data.image_sources import LabelledImages, Part
from scaling.errors import InputError

NAME = "fashion-mnist"
LICENCE = "MIT"

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
HOME = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
# Of each file: SHA-256 as published compressed, and of its contents.
SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28


def version() -> str:
    """The same everywhere: contents are checked."""
    return f"SHA-256 {SHA256['train-images-idx3-ubyte.gz'][1][:16]}"


def images() -> LabelledImages:
    """60,000 for training and its own 10,000 test images, held out."""
    return LabelledImages(CLASSES, _part("train"), _part("t10k"))


def _part(name: str) -> Part:
    # An idx file: its header ends with the size of each dimension; then come the bytes.
    pixels = _contents(f"{name}-images-idx3-ubyte.gz")[16:]
    labels = _contents(f"{name}-labels-idx1-ubyte.gz")[8:]
    return Part(pixels.reshape(len(labels), SIDE, SIDE, 1), labels)


def _contents(file: str) -> NDArray[np.uint8]:
    path = DEBIAN / file
    if not path.is_file():
        path = _download(file)
    try:
        contents = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if (found := hashlib.sha256(contents).hexdigest()) != SHA256[file][1]:
        raise InputError(
            f"{path}: not Fashion-MNIST: SHA-256 of its contents is {found}, not {SHA256[file][1]}"
        )
    return np.frombuffer(contents, np.uint8)


def _download(file: str) -> Path:
    """The file in the cache folder, fetched once and checked every time."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    try:
        found = pooch.retrieve(
            HOME + file,
            known_hash=f"sha256:{SHA256[file][0]}",
            fname=file,
            path=cache_folder() / "downloads" / NAME,
        )
    except (requests.RequestException, OSError, ValueError) as error:
        raise InputError(
            f"image data {NAME!r}: {HOME}{file} could not be had ({error}); on Debian, "
            "`apt install dataset-fashion-mnist` has it too"
        ) from None
    return Path(found)
