"""All certified cases, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pandas as pd

from scaling.certify import allocation, chinchilla, decisions, laws, schedules
from scaling.certify.case import Case, Certificate, certify
from scaling.errors import InputError
from scaling.published import load

CASES: tuple[Case, ...] = (
    *chinchilla.CASES,
    *allocation.CASES,
    *laws.CASES,
    *schedules.CASES,
    *decisions.CASES,
)


@dataclass(frozen=True)
class Refused:
    """A case whose data are not here."""

    case: Case
    reason: str


Outcome = Certificate | Refused


def choose(pattern: str | None) -> Sequence[Case]:
    """The cases whose name, paper or data match a pattern with * and ?; all without one.

    Raises InputError where none does.
    """
    if pattern is None:
        return CASES
    wanted = f"*{pattern.lower()}*"
    found = [
        case
        for case in CASES
        if any(fnmatchcase(text.lower(), wanted) for text in (case.name, case.paper, case.data))
    ]
    if not found:
        names = ", ".join(case.name for case in CASES)
        raise InputError(f"--only {pattern!r} matches no case; there are {names}")
    return found


def run(cases: Sequence[Case], folder: Path | None) -> Iterator[Outcome]:
    """Certify each case on its table, from `folder` or by download; each table is read once."""

    @cache
    def table(name: str) -> pd.DataFrame | str:
        try:
            return load(name, folder)
        except InputError as error:
            return str(error)

    for case in cases:
        found = table(case.data)
        yield Refused(case, found) if isinstance(found, str) else certify(case, found)
