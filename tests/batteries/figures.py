"""Every figure of the registry, drawn from its example: the studies that are kept in runs/."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from scaling.plot import registry
from scaling.plot.entry import MODELS
from scaling.stored import Stored

ROOT = Path(__file__).resolve().parents[2]
_DRAWS = 40  # enough for a band, and quickly drawn
_OPTIONS = {"--n": "N", "--where": "where"}


def source(name: str) -> Stored:
    """What the example of a figure names; one quantity is profiled, since each takes a second."""
    where, *words = shlex.split(registry.get(name).example)
    given = list(zip(words[::2], words[1::2], strict=True))
    columns = [value for option, value in given if option == "--columns"]
    pairs = [pair.split("=") for text in columns for pair in text.split(",")]
    settings = {_OPTIONS[option]: value for option, value in given if option in _OPTIONS}
    if registry.get(name).takes != MODELS:
        where = str(ROOT / where)
    quantities = [("E", dict[str, float]())] if "profile" in registry.get(name).options else []
    return Stored(where, dict(pairs), None, {"draws": _DRAWS, **settings}, quantities)


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """All text that is seen, with its box in points from the lower left corner."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    seen = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    seen += [text for axes in figure.axes for text in _of(axes)]
    return [
        # the text's own box: that of an annotation would hold its arrow, too
        (text.get_text(), Bbox(Text.get_window_extent(text).get_points() * scale))
        for text in seen
        if text.get_visible() and text.get_text().strip()
    ]


def _of(axes: Axes) -> Iterator[Text]:
    yield from axes.texts
    if (legend := axes.get_legend()) is not None:
        yield from [legend.get_title(), *legend.get_texts()]
    yield from (axes.title, axes._left_title, axes._right_title)  # no public way to all three
    if not axes.axison:
        return
    for axis in (axes.xaxis, axes.yaxis):
        yield axis.label
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if low <= tick.get_loc() <= high and tick.label1.get_visible():
                yield tick.label1
