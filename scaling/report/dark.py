"""The colours of figures on a dark page: each one's twin, of the same hue, light enough to read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

Array = NDArray[np.float64]

GROUND = "#20232a"  # what figures lie on: the style's --card in the dark
_LIGHTEST, _SLOPE = 0.95, 0.42  # of OKLab's lightness: black becomes the first, others less

# Linear sRGB to the responses of cones, and their cube roots to OKLab (Ottosson 2020).
_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929],
     [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468],
     [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def twin(colour: str) -> str:
    """What a colour of a figure (#rrggbb) becomes on the dark: white the ground, the rest lighter
    the darker it was, so that an order of shades stays one, turned round."""
    if colour == "#ffffff":
        return GROUND
    L, a, b = _LAB @ np.cbrt(_CONES @ _linear(colour))
    light = _LIGHTEST - _SLOPE * L
    # a hue that cannot be so light on a screen is paled until it can
    for chroma in np.linspace(1, 0, 21):
        lab = np.array([light, chroma * a, chroma * b])
        rgb = np.linalg.solve(_CONES, np.linalg.solve(_LAB, lab) ** 3)
        if ((rgb >= -1e-6) & (rgb <= 1 + 1e-6)).all():
            break
    return _written(np.clip(rgb, 0, 1))


def rules(colours: Iterable[str]) -> Markup:
    """Style rules that paint these colours (#rrggbb) as their twins in figures, for the dark."""
    return Markup("").join(
        # no ancestor: the markers that `<use>` clones have none that a selector sees
        Markup(f'[{what}="{colour}"]{{{what}:{twin(colour)}}}')
        for colour in sorted(colours)
        for what in ("fill", "stroke")
    )


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    a, b = sorted(float(weights @ _linear(colour)) + 0.05 for colour in (one, other))
    return b / a


def _linear(colour: str) -> Array:
    coded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _written(linear: Array) -> str:
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in coded)
