"""Write a report where it was asked for: whole or not at all, and refused before any work."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.report import pdf
from scaling.report.answer import Asked
from scaling.report.given import read_source
from scaling.report.markdown import markdown
from scaling.report.page import render
from scaling.report.study import Study

if TYPE_CHECKING:
    from scaling.files import Place

FORMATS = ("html", "md", "pdf")


def report(
    source: Place | str,
    out: Place | str | None = None,
    asked: Asked | None = None,
    formats: Sequence[str] = (),
    **how: Any,
) -> Place:
    """Write a report of a study's folder (of an unfinished one what there is), of a run table, or
    of a saved fit; the first file of those written.

    out: by default DIR/report.html, or TABLE.report.html beside a table or a fit. asked: the budget
    that is answered. formats: html, md, pdf; by default as `out` ends. how: as of `read_source`.
    Raises InputError for what is no source, and where the report cannot be written.
    """
    return reports(source, out, asked, formats, **how)[0]


def reports(
    source: Place | str,
    out: Place | str | None = None,
    asked: Asked | None = None,
    formats: Sequence[str] = (),
    **how: Any,
) -> list[Place]:
    """The same in every format asked for, from one reading; all files of them."""
    places = targets(source, out, formats)
    if "pdf" in places:
        pdf.check()
    study = read_source(source, **how)
    for form, place in places.items():
        _write(form, place, study, asked or Asked())
    return list(places.values())


def _write(form: str, place: Place, study: Study, asked: Asked) -> None:
    if form == "md":
        folder = f"{place.stem}_figures"
        text, drawings = markdown(study, asked, folder)
        for name, drawing in drawings.items():  # the text last: all that it shows is there
            files.write(place.parent / folder / name, drawing.encode())
        files.write(place, text.encode())
    elif form == "pdf":
        files.write(place, pdf.pdf(render(study, asked, printed=True)))
    else:
        files.write(place, render(study, asked).encode())


def targets(
    source: Place | str, out: Place | str | None, formats: Sequence[str] = ()
) -> dict[str, Place]:
    """Where the report goes, by format. Raises InputError where nothing can be written there."""
    given = files.folder(source)
    if not files.exists(given):
        raise InputError(
            f"{source}: no such folder or file; a study's folder, a run table or a saved fit is "
            "needed"
        )
    for form in formats:
        if form not in FORMATS:
            near = difflib.get_close_matches(form.lower(), FORMATS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(f"--format {form!r}; valid: {', '.join(FORMATS)}{hint}")
    if out is not None:
        place = files.folder(out)
    elif files.is_folder(given):
        place = given / "report.html"
    else:
        place = given.with_name(f"{given.stem}.report.html")
    own = place.suffix[1:].lower()
    chosen = list(dict.fromkeys(formats)) or [own if own in FORMATS else FORMATS[0]]
    if len(chosen) == 1 and out is not None and own not in FORMATS:
        places = {chosen[0]: place}  # named as it was asked for
    else:
        places = {form: place.with_suffix(f".{form}") for form in chosen}
    for one in places.values():
        if _same(one, given):
            raise InputError(f"{one}: the report would take the place of what it is made from")
    return {form: _writable(place) for form, place in places.items()}


def _same(one: Place, other: Place) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return str(one) == str(other)


def _writable(place: Place) -> Place:
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
