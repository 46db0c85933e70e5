"""Write a report where it was asked for: whole or not at all, and refused before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.report.answer import Asked
from scaling.report.given import read_source
from scaling.report.page import render

if TYPE_CHECKING:
    from scaling.files import Place


def report(
    source: Place | str, out: Place | str | None = None, asked: Asked | None = None, **how: Any
) -> Place:
    """Write one self-contained HTML file: of a study's folder (of an unfinished one what there
    is), of a run table, or of a saved fit.

    out: by default DIR/report.html, or TABLE.report.html beside a table or a fit. asked: the budget
    that is answered. how: as of `read_source`. Raises InputError for what is no source, and where
    the report cannot be written.
    """
    place = target(source, out)
    files.write(place, render(read_source(source, **how), asked).encode())
    return place


def target(source: Place | str, out: Place | str | None) -> Place:
    """Where the report goes. Raises InputError where nothing can be written there."""
    given = files.folder(source)
    if not files.exists(given):
        raise InputError(
            f"{source}: no such folder or file; a study's folder, a run table or a saved fit is "
            "needed"
        )
    if out is not None:
        place = files.folder(out)
    elif files.is_folder(given):
        place = given / "report.html"
    else:
        place = given.with_name(f"{given.stem}.report.html")
    if files.exists(place) and files.is_folder(place):
        raise InputError(f"{place}: a folder; name a file in it, such as {place / 'report.html'}")
    if isinstance(place, Path):
        above = place.parent
        if not above.is_dir():
            what = "not a folder" if above.exists() else "no such folder"
            raise InputError(f"{place}: {what}: {above}")
        if not os.access(place if place.exists() else above, os.W_OK):
            raise InputError(f"{place}: not writable; name another file with --out")
    return place
