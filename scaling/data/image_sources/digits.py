"""Handwritten digits of 8 x 8 pixels that scikit-learn carries: 1,797 images, for tests.

Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits" (its test part).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import numpy as np

from scaling.data.image_sources import LabelledImages, Part
from scaling.errors import InputError

NAME = "digits"
LICENCE = "CC BY 4.0"

# A pixel counts the dark ones of a 4 x 4 block.
DARKEST = 16


def version() -> str:
    """Raises InputError where scikit-learn is missing."""
    try:
        return f"scikit-learn {installed('scikit-learn')}"
    except PackageNotFoundError:
        raise InputError(
            "image data 'digits' are in scikit-learn: pip install 'scaling-laws[train]'"
        ) from None


def images() -> LabelledImages:
    """All of them in one part, grey values 0-16 stretched to 0-255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / DARKEST)).astype(np.uint8)
    return LabelledImages(
        classes=tuple(map(str, digits.target_names)), train=Part(grey[..., None], digits.target)
    )
