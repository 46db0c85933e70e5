"""A number with its interval, as forecasts print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A point estimate and the central 90 % of the draws around it: the point where there are
    none."""

    point: float
    q05: float
    q95: float

    @property
    def open(self) -> bool:
        return self.q05 < self.q95

    def scaled(self, by: float) -> Interval:
        """The same in another unit, of which there are `by` (above 0) to one of this."""
        return Interval(self.point * by, self.q05 * by, self.q95 * by)

    def __str__(self) -> str:
        ends = f" [{self.q05:.4g}, {self.q95:.4g}]" if self.open else ""
        return f"{self.point:.4g}{ends}"


def interval(point: Any, ends: Sequence[Any]) -> Interval:
    return Interval(float(point), float(ends[0]), float(ends[1]))
