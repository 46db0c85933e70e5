"""Tables of other schema versions: brought to this one by listed rules, or refused by name.

A file states its version (`scaling.schema` in Parquet's metadata); one that states none, as CSV
cannot, is of version 0. A change of the schema that makes older files mean something else raises
`schema.VERSION` and adds the rule here that brings the version before to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from scaling import schema
from scaling.errors import InputError


@dataclass(frozen=True)
class Rule:
    """From one version to the next. about: in words; apply: row by row, so that files can be read
    in parts."""

    about: str
    apply: Callable[[pd.DataFrame], pd.DataFrame]


# By the version that each starts from.
RULES: dict[int, Rule] = {
    0: Rule("states no version (older files, CSV, TSV, JSONL): read as it is", lambda df: df),
}


def version_of(stated: str | None, source: str) -> int:
    """The version that a file states. Raises InputError for one that is not known here."""
    if stated is None:
        return 0
    known = range(min(RULES), schema.VERSION + 1)
    if not (stated.isascii() and stated.isdecimal() and int(stated) in known):
        raise InputError(
            f"{source}: a run table of schema version {stated}; this scaling reads versions "
            f"{known[0]} to {known[-1]}: install a newer scaling-laws, or write the table as CSV "
            "where it was made"
        )
    return int(stated)


def migrate(df: pd.DataFrame, version: int) -> pd.DataFrame:
    """The table in this version, by every rule from its own on."""
    for step in range(version, schema.VERSION):
        df = RULES[step].apply(df)
    return df
