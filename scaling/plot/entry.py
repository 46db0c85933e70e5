"""An entry of the figures' registry, and what a figure may ask of that which it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from scaling.fit import Fit
from scaling.forecast.proof import Verdict
from scaling.plot.telemetry import Findings

# What an INPUT may be; wherever a table or its fit is taken, a study's folder is, too.
TAKES = {
    "fit": "a saved fit (.json), a run table or a study's folder",
    "table": "a run table or a study's folder",
    "study": "a study's folder",
    "run": "a run's folder, DIR/cells/ID",
    "models": "image or language",
}
FIT, TABLE, STUDY, RUN, MODELS = TAKES


class Source(Protocol):
    """What a figure is drawn from: each part is read, or fitted, when it is asked for.

    name: as it was given. columns: our names of a table's columns. law, settings: what the user
    says of a fit, as keywords of `fit`. quantities: those to be profiled. Parts raise InputError
    where there are none.
    """

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> Mapping[str, str]: ...
    @property
    def law(self) -> str | None: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def quantities(self) -> Sequence[tuple[str, dict[str, float]]]: ...
    @property
    def table(self) -> pd.DataFrame: ...
    @property
    def curves(self) -> Mapping[str, pd.DataFrame]:
        """Of a study, by run."""
        ...

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """Of a study: what each run was, and took."""
        ...

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """Of a study: its forecast against what came out."""
        ...

    @property
    def run(self) -> tuple[pd.DataFrame, Findings]:
        """The curve of one run, and what was found in it."""
        ...

    def fit(self) -> Fit:
        """The saved fit, or that of the table: chinchilla's unless a law is given."""
        ...


@dataclass(frozen=True)
class Entry:
    """One figure: what it takes, what it shows (one line), how it is read (a few sentences).

    draw: from a source. example: an INPUT of this repository and options, for the gallery. options:
    what it takes of a command's, where it is of no fit: `fit` (all that a fit is told), `law`,
    `where`; and `profile`.
    """

    name: str
    takes: str
    shows: str
    reading: str
    draw: Callable[[Source], Figure]
    example: str
    options: frozenset[str] = frozenset()
