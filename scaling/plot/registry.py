"""Every figure by name: what `scaling plot` lists and draws, and the gallery and the tests go over.

A new figure is one file, a function of values that returns a Figure (also on given axes), and one
`Entry` in the list of what it is drawn from: `of_fits`, `of_tables` or `of_studies`. Other packages
add theirs through the entry-point group `scaling.figures`; an entry point names an `Entry`. Its
`draw` takes from a `Source` what the function needs. With it come an image for the comparison and
a thumbnail for the gallery; tests/plot/test_every_figure.py and docs/gallery.py say how.
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points

from scaling.errors import InputError
from scaling.plot.entry import Entry
from scaling.plot.of_fits import OF_FITS
from scaling.plot.of_studies import OF_STUDIES
from scaling.plot.of_tables import OF_TABLES

_OTHERS = [found.load() for found in entry_points(group="scaling.figures")]
FIGURES: dict[str, Entry] = {
    entry.name: entry
    for entry in sorted([*OF_FITS, *OF_TABLES, *OF_STUDIES, *_OTHERS], key=lambda entry: entry.name)
}


def get(name: str) -> Entry:
    """Raises InputError, which names the nearest and lists all, for a name that is none."""
    if name in FIGURES:
        return FIGURES[name]
    near = difflib.get_close_matches(name.lower(), FIGURES, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"unknown figure {name!r}; known: {', '.join(FIGURES)}{hint}")
