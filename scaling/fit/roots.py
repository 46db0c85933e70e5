"""Many roots at once, each in a bracket of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS = 100  # halvings alone would take some 60
_LAST = 4e-16  # of the root: the last bits


def root(rises: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where a function [...] turns from below 0 to above it between low and high [...], to the last
    bits; an end where it does not turn.

    Inverse quadratic steps inside a bracket, and halvings where these will not do (Chandrupatla
    1997, Adv. Eng. Softw. 28, 145). NaN counts as above 0.
    """

    def signed(x: Array) -> Array:
        found = rises(x)
        return np.where(np.isnan(found), 1.0, found)

    a, b = low, high  # the newest point, and the nearest on the other side of 0
    at_a, at_b = signed(a), signed(b)
    ended = np.where(at_a >= 0, low, np.where(at_b < 0, high, np.nan))
    t = np.full(a.shape, 0.5)
    for _ in range(_STEPS):
        x = a + t * (b - a)
        at_x = signed(x)
        same = (at_x < 0) == (at_a < 0)
        c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
        b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
        a, at_a = x, at_x
        width, least = np.abs(b - a), _LAST * np.maximum(np.abs(a), 1.0)
        if ((width <= 2 * least) | (at_a == 0) | ~np.isnan(ended)).all():
            break
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xi, phi = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
            quick = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            step = at_a / (at_b - at_a) * at_c / (at_b - at_c)
            step += (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
            edge = np.minimum(least / width, 0.5)
        t = np.where(quick, np.clip(step, edge, 1 - edge), 0.5)
        t = np.where(at_a == 0, 0.0, t)  # it is found: stay
    best = np.where(np.abs(at_a) <= np.abs(at_b), a, b)
    return np.asarray(np.where(np.isnan(ended), best, ended))
