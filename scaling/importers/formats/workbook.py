"""Excel: one sheet of a workbook, its values as they were last computed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO

import pandas as pd

from scaling.errors import InputError
from scaling.importers.formats.frame import Frame, frame


def frames(file: IO[bytes], source: str, sheet: str | None = None) -> Iterator[Frame]:
    """The rows of a sheet. Raises InputError for several sheets of which none was named, for merged
    cells below the header, and where openpyxl is not installed."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{source}: reading Excel needs a package more: pip install 'scaling-laws[excel]'"
        ) from None
    try:
        book = openpyxl.load_workbook(file, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise InputError(f"{source}: no whole Excel file: {error}") from error
    names = [each.title for each in book.worksheets if each.max_row > 1]
    if sheet is None and len(names) != 1:
        raise InputError(f"{source}: {len(names)} sheets hold rows ({', '.join(names)}); choose "
                         "one with --sheet")  # fmt: skip
    if sheet is not None and sheet not in book.sheetnames:
        raise InputError(f"{source}: no sheet {sheet!r}; it has {', '.join(book.sheetnames)}")
    page = book[sheet or names[0]]
    rows = [list(row) for row in page.iter_rows(values_only=True)]
    filled = [i for i, row in enumerate(rows) if any(cell not in (None, "") for cell in row)]
    while len(filled) > 1 and sum(cell not in (None, "") for cell in rows[filled[0]]) < 2:
        filled = filled[1:]  # a title above the header
    if len(filled) < 2:
        raise InputError(f"{source}: sheet {page.title!r} has no rows")
    header, *places = filled
    for area in page.merged_cells.ranges:
        if area.max_row > header:  # merged cells above the header are a title
            raise InputError(
                f"{source}: sheet {page.title!r} has merged cells ({area.coord}), of which only "
                "the first holds a value; unmerge them and fill in each row"
            )
    titles = ["" if cell is None else str(cell).strip() for cell in rows[header]]
    wide = [i for i, title in enumerate(titles) if title]
    taken = [titles[i] for i in wide]
    if twice := [name for name in taken if taken.count(name) > 1]:
        raise InputError(f"{source}: {taken.count(twice[0])} columns are called {twice[0]!r}; give "
                         "each a name of its own")  # fmt: skip
    data = {titles[i]: pd.Series([rows[r][i] for r in places], dtype=object) for i in wide}
    yield frame(pd.DataFrame(data), 1)
