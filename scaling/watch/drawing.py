"""Small drawings in characters: a bar, a curve, intervals on one axis; in ASCII where need be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pen:
    """The characters that a terminal can show."""

    full: str
    empty: str
    levels: str  # from low to high
    left: str
    line: str
    right: str
    point: str

    def bar(self, share: float, width: int) -> str:
        """How much of a whole is done; nothing looks done before all is."""
        filled = int(share * width)
        return self.full * filled + self.empty * (width - filled)

    def curve(self, points: Sequence[tuple[float, float]], width: int) -> str:
        """y over x, in one line: of each part of x the last y; from the least to the greatest."""
        known = [(x, y) for x, y in points if np.isfinite(y)]
        if len(known) < 2:
            return ""
        x, y = np.array(known, float).T
        columns = min(width, len(known))
        place = ((x - x[0]) / (x[-1] - x[0] or 1) * (columns - 1)).round().astype(int)
        last = dict(zip(place.tolist(), y.tolist(), strict=True))
        low, span = y.min(), y.max() - y.min()
        top = len(self.levels) - 1
        drawn, level = [], 0
        for column in range(columns):  # where nothing was seen, as before
            if column in last:
                level = round((last[column] - low) / span * top) if span else 0
            drawn.append(self.levels[level])
        return "".join(drawn)

    def interval(
        self, ends: tuple[float, float, float], axis: tuple[float, float], width: int
    ) -> str:
        """Low, middle and high on an axis."""
        low, high = axis
        at = [round((end - low) / ((high - low) or 1) * (width - 1)) for end in ends]
        drawn = [" "] * width
        drawn[at[0] : at[2] + 1] = self.line * (at[2] - at[0] + 1)
        drawn[at[0]], drawn[at[2]], drawn[at[1]] = self.left, self.right, self.point
        return "".join(drawn)


UNICODE = Pen("█", "░", "▁▂▃▄▅▆▇█", "├", "─", "┤", "●")
ASCII = Pen("#", ".", "_.-~=+*#", "|", "-", "|", "o")
