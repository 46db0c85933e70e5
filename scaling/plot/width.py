"""Figures at a width that is asked for: a column of a paper, a slide. Panels that would be too
narrow beside each other stand below each other; text keeps its size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextvars import ContextVar
from itertools import pairwise
from textwrap import fill

from matplotlib.figure import Figure

from scaling.errors import InputError

WIDE = 7.1  # inches: two columns of a paper
LEAST, MOST = 2.5, 20.0  # inches: what labels need beside a panel, and what a page is

_LETTERS = 13  # of a remark's, to an inch

_asked: ContextVar[float | None] = ContextVar("width", default=None)


def at_width(draw: Callable[[], Figure], inches: float | None) -> Figure:
    """What `draw` makes, no wider than `inches` (None: as wide as it is made for a page).

    Raises InputError for a width that no figure can have.
    """
    if inches is None:
        return draw()
    if not LEAST <= inches <= MOST:
        raise InputError(f"--width {inches:g}: valid are {LEAST:g} to {MOST:g} inches")
    before = _asked.set(inches)
    try:
        figure = draw()
    finally:
        _asked.reset(before)
    _label(figure)
    return figure


def fitted(columns: int, rows: int, width: float, height: float) -> tuple[int, int, float, float]:
    """A grid of panels and its size in inches, as they are within the width that is asked for."""
    asked = _asked.get()
    if asked is None or asked >= width:
        return columns, rows, width, height
    fewer = max(1, int(columns * asked / width))
    more = -(-rows * columns // fewer)
    return fewer, more, asked, height * more / rows


def across(entries: int) -> int:
    """Columns of a legend that is laid out for a page: fewer where less width is asked for."""
    asked = _asked.get()
    return entries if asked is None or asked >= WIDE else max(1, int(entries * asked / WIDE / 1.4))


def wrapped(remark: str) -> str:
    """A remark in lines that a narrow panel holds; as it is where no width is asked for."""
    asked = _asked.get()
    if asked is None:
        return remark
    return "\n".join(fill(line, int(asked * _LETTERS)) for line in remark.split("\n"))


def _label(figure: Figure) -> None:
    """The label that a panel had from its neighbour on the left, where it now stands below it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.draw_without_rendering()
    if any("constrained_layout not applied" in str(one.message) for one in told):
        width = figure.get_figwidth()
        raise InputError(f"--width {width:g}: too narrow for the labels of this figure; give more")
    for left, panel in pairwise(figure.axes):
        same = left.get_shared_y_axes().joined(left, panel)
        below = panel.get_position().x0 < left.get_position().x1
        if same and below and panel.axison and not panel.get_ylabel():
            panel.set_ylabel(left.get_ylabel())
