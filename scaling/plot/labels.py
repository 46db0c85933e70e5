"""Names beside lines: where they stand, so that none hides another, and dark enough to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue


def legible(colour: Any) -> tuple[float, float, float]:
    """The colour, darkened as far as text on white needs: a contrast of 4.5 to 1, as WCAG asks."""
    whole = np.array(to_rgb(colour))
    for part in np.linspace(1, 0, 41):
        linear = np.where(part * whole <= 0.04045, part * whole / 12.92,
                          ((part * whole + 0.055) / 1.055) ** 2.4)  # fmt: skip
        if 1.05 / (float(_LUMINANCE @ linear) + 0.05) >= 4.5:
            break
    red, green, blue = part * whole
    return float(red), float(green), float(blue)


def apart(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Heights as near to those wanted (ascending) as may be, at least `step` apart, within bounds;
    even over all of them where they do not fit."""
    count = len(wanted)
    if (count - 1) * step > high - low:
        return [float(y) for y in np.linspace(low, high, count)]
    groups: list[list[float]] = []  # [centre, count]: runs of labels that touch move together
    for y in wanted:
        groups.append([y, 1])
        while len(groups) > 1:
            (a, n), (b, m) = groups[-2:]
            if b - a >= step * (n + m) / 2:
                break
            groups[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    free: list[float] = []
    for centre, size in groups:
        first = centre - step * (size - 1) / 2
        free += [first + step * i for i in range(int(size))]
    # what leaves the bounds pushes its neighbours in
    under = [min(y, high - step * (count - 1 - i)) for i, y in enumerate(free)]
    return [max(y, low + step * i) for i, y in enumerate(under)]
