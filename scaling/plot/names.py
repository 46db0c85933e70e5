"""Names beside points, each where it hides neither another name nor too many points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from scaling.plot.style import INK

Array = NDArray[np.float64]
Named = tuple[float, float, str]

_SIZE = 5.6  # points: a figure with many names
_WIDE, _HIGH = 0.62, 1.25  # of a letter and a line, in sizes
_ROUND = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_BEHIND = {"facecolor": "white", "alpha": 0.65, "linewidth": 0, "pad": 0.3}
_NEAR = (4.0, 9.0, 16.0)  # points between a name and its own


def name_points(ax: Axes, points: Sequence[Named], named: set[str]) -> None:
    """Write the names of some of the points (x, y, name) beside them.

    Call it last, when the layout of the figure is settled: places are tried in points on paper. A
    name that would lie on another text, or leave the axes, is left out.
    """
    scale = 72 / ax.figure.dpi
    places = scale * ax.transData.transform([(x, y) for x, y, _ in points])
    frame = scale * ax.get_window_extent().get_points()
    taken = [scale * text.get_window_extent().get_points() for text in ax.texts]
    for (x, y, name), place in zip(points, places, strict=True):
        if name not in named:
            continue
        found = _free(place, name, places, taken, frame)
        if found is None:
            continue
        offset, box = found
        taken.append(box)
        ax.annotate(name, (x, y), xytext=tuple(offset), textcoords="offset points", fontsize=_SIZE,
                    color=INK, ha="center", va="center", bbox=_BEHIND,
                    arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": INK, "shrinkA": 0,
                                "shrinkB": 1.5})  # fmt: skip


def _free(
    place: Array, name: str, places: Array, taken: Sequence[Array], frame: Array
) -> tuple[Array, Array] | None:
    """The offset from its point and the box of a name: where it lies on the fewest points."""
    half = np.array([_WIDE * _SIZE * len(name), _HIGH * _SIZE]) / 2
    best: tuple[float, Array, Array] | None = None
    for gap in _NEAR:
        for side in _ROUND:
            offset = np.array(side) * (half + gap)
            box = np.array([place + offset - half, place + offset + half])
            inside = (box[0] >= frame[0]).all() and (box[1] <= frame[1]).all()
            if not inside or any(_meet(box, other) for other in taken):
                continue
            hidden = int(((places > box[0] - 1) & (places < box[1] + 1)).all(axis=1).sum())
            worth = hidden + 0.02 * gap
            if best is None or worth < best[0]:
                best = (worth, offset, box)
    return None if best is None else best[1:]


def _meet(one: Array, other: Array) -> bool:
    return bool((one[0] < other[1]).all() and (other[0] < one[1]).all())
