"""What the markers of a figure stand for, kept with them: a page shows it to who points at one.

(dots,) = axes.plot(N, loss, "o")
mark(dots, gid("runs"), N=N, D=D, loss=loss)
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputError


@dataclass(frozen=True, eq=False)
class Marks:
    """The markers of one artist. columns: by a run table's names (run, N, D, C, loss) or by a label
    of their own, one value a marker, in the order in which they are drawn."""

    name: str
    columns: dict[str, NDArray[np.generic]]


_MARKS: WeakKeyDictionary[Artist, Marks] = WeakKeyDictionary()


def mark(artist: Artist, name: str, /, **columns: ArrayLike) -> None:
    """Say what an artist's markers are: its id in files (`style.gid`) and a value of each. Of a
    line that is one run's, `run=...` alone: one value for the whole.

    Raises InputError for columns of different lengths.
    """
    values = {key: np.atleast_1d(np.asarray(column)) for key, column in columns.items()}
    if len({len(column) for column in values.values()}) > 1:
        lengths = ", ".join(f"{key} {len(column)}" for key, column in values.items())
        raise InputError(f"marks {name}: columns of different lengths: {lengths}")
    artist.set_gid(name)
    _MARKS[artist] = Marks(name, values)


def marks_of(figure: Figure) -> list[Marks]:
    """All that was said of a figure's markers, in drawing order."""
    return [marks for _, marks in marked(figure)]


def marked(figure: Figure) -> list[tuple[Artist, Marks]]:
    """The artists that something was said of, and what."""
    return [(artist, _MARKS[artist]) for artist in figure.findobj() if artist in _MARKS]
