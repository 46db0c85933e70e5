"""Ticks of log axes: labelled where a reader needs them, minor ticks where the grid has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from scaling.plot.words import plain, power, quantity, times

Array = NDArray[np.float64]

_FEW = 0.75  # decades: below this a linear step labels a log axis better than 1-2-5
_MANY = 2.6  # decades: above this whole decades are enough


class LogTicks(Locator):
    """Majors of a log axis by its span: even steps, 1-2-5, or decades; with `minor`, what lies
    between them."""

    def __init__(self, minor: bool = False) -> None:
        self.minor = minor

    def __call__(self) -> Sequence[float]:
        assert self.axis is not None  # matplotlib sets it before it asks
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((float(vmin), float(vmax)))
        if not (low > 0 and np.isfinite(high) and high > low):
            return []
        span = np.log10(high / low)
        if span < _FEW:
            major = np.asarray(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high))
            step = float(major[1] - major[0])
            minor = np.arange(major[0], major[-1], step / 5)
        else:
            decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
            stride = max(1, round(span / 6))
            digits = [1.0] if span > _MANY else [1.0, 2.0, 5.0]
            major = _times(decades[::stride] if span > _MANY else decades, digits)
            minor = _times(decades, range(1, 10)) if stride == 1 else decades
        ticks = minor if self.minor else major
        slack = 1 + 1e-9
        return [float(t) for t in ticks if low / slack <= t <= high * slack]


def _times(decades: Array, digits: Sequence[float] | range) -> Array:
    return np.sort(np.outer(decades, np.array(list(digits), dtype=float)).ravel())


def log_ticks(axis: Axis, form: str) -> None:
    """Put house ticks on a log axis; form: "quantity" (10k, 2M), "power" (10^12),
    "times" (2×) or "plain"."""
    write = {"quantity": quantity, "power": power, "plain": plain, "times": times}[form]
    axis.set_major_locator(LogTicks())
    axis.set_minor_locator(LogTicks(minor=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
