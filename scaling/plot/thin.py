"""Which of very many runs a figure draws: a stated rule, and the words that state it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST = 1200  # markers of one artist: more hide each other, and make a file that is slow to open


def thinned(size: ArrayLike, most: int = MOST) -> tuple[NDArray[np.intp], str]:
    """The rows to draw, ascending, and a remark for the figure; up to `most` all, and no remark.

    Else every k-th of each size, the first of each included; where nearly every run has a size of
    its own, every k-th in order of size.
    """
    size = np.asarray(size)
    count = len(size)
    if count <= most:
        return np.arange(count), ""
    step = -(-count // most)
    order = np.argsort(size, kind="stable")
    first = np.flatnonzero(np.diff(size[order], prepend=np.nan) != 0)
    rank = np.arange(count) - np.repeat(first, np.diff(np.append(first, count)))
    kept, of = order[rank % step == 0], "of each size"
    if len(kept) > 2 * most:
        kept, of = order[::step], "in order of size"
    return np.sort(kept), f"{len(kept):,} of {count:,} runs drawn: every {nth(step)} {of}"


def nth(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    last = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else last}"
