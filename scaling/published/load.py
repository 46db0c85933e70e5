"""A published table in our columns: from a folder, or downloaded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scaling.errors import InputError
from scaling.published.download import Told, fetch, silent
from scaling.published.tables import Published, find
from scaling.table import read_table


def load(
    name: str, folder: Path | None = None, *, option: str = "--data", tell: Told = silent
) -> pd.DataFrame:
    """The table in our columns: from `folder` where one is given, else by download. One without
    rows for the name "": of cases that need no data.

    option: of the command that names the folder, for errors; tell: how a download gets on. Raises
    InputError where the folder holds neither form, where the set cannot be downloaded, or where
    what came is not what its checksum says.
    """
    if not name:
        return pd.DataFrame()
    table = find(name)
    if folder is None:
        paths = [fetch(original, option, tell) for original in table.originals]
    elif (folder / table.file).is_file():
        return read_table(folder / table.file)
    else:
        paths = [folder / original.file for original in table.originals]
    missing = [path.name for path in paths if not path.is_file()]
    if table.normalise is None or missing:
        raise InputError(_told(table, folder, missing, option))
    try:
        return table.normalise([pd.read_csv(path) for path in paths])
    except (ValueError, KeyError, OSError) as error:
        told = f"{', '.join(path.name for path in paths)} cannot be read as {table.name}"
        raise InputError(f"{folder or 'download'}: {told}: {error}") from error


def stated(table: Published, df: pd.DataFrame) -> pd.DataFrame:
    """The table with the conventions that its source states, where it has no columns of them."""
    return df.assign(**{k: v for k, v in table.kinds.items() if k not in df.columns})


def _told(table: Published, folder: Path | None, missing: Sequence[str], option: str) -> str:
    if folder is not None:
        either = f" nor {', '.join(missing)}" if missing else ""
        return f"{folder}: holds neither {table.file}{either}; the data are from {table.home}"
    return (
        f"{table.name} is not downloaded: {table.home} has it in no plain table. Make {table.file} "
        f"from it and name the folder with {option}"
    )
