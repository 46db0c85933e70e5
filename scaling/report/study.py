"""What a report is of: a study's folder, a run table or a saved fit, as far as it is there."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from scaling.errors import InputError
from scaling.forecast import proof
from scaling.forecast.buildable import buildable
from scaling.forecast.decisions.crossing import SideBySide
from scaling.forecast.forecast import Nearest
from scaling.forecast.grounds import Grounds
from scaling.grid import Proof
from scaling.report.pooled import Pooled
from scaling.sweep.standing.health import Health, of_records
from scaling.table import CONVENTIONS, FAMILY
from scaling.units import UNSTATED

Kind = Literal["study", "table", "fit"]
Told = Callable[[Exception], str]  # an error as a page tells it: without a machine's paths


@dataclass
class Study:
    """What is there; `missing` says in sentences what is not.

    kind: what it was read from; command: arguments that make the report again. records: finished
    cells in the plan's order, those that a rate was tuned on left out; tuned: what that found, in
    sentences. curves: by run. table: the run table, None where nothing ran; kinds: its conventions.
    chosen: the families whose rows a table's fits take; None: all of them. fits: the forecast's
    rule (chinchilla on N_total without one), or a table's law, fitted to the pilots of each family;
    grounds: what forecasts by them rest on. views: these families side by side, where there are
    several. telemetry: whole curves of the first runs that were not well.
    """

    name: str
    kind: Kind = "study"
    command: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    grid_text: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    chosen: tuple[str, ...] | None = None
    forecast: dict[str, Any] | None = None
    verdicts: list[proof.Verdict] = field(default_factory=list)
    rule: Proof = field(default_factory=Proof)
    kinds: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CONVENTIONS, UNSTATED))
    fits: dict[str, Pooled] = field(default_factory=dict)
    grounds: dict[str, Grounds] = field(default_factory=dict)
    views: list[SideBySide] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    telemetry: dict[str, pd.DataFrame] = field(default_factory=dict)
    tuned: list[str] = field(default_factory=list)

    @property
    def made_by(self) -> str:
        """What makes the report of a table or a fit again, as a shell reads it."""
        return shlex.join(["scaling", "report", *self.command])

    @property
    def health(self) -> Health:
        return of_records(self.records, self.planned)

    @property
    def planned(self) -> list[str]:
        """The study's own cells: those that a rate is tuned on aren't."""
        others = set(self.facts.get("tuning", []))
        return [str(cell) for cell in self.facts.get("cells", []) if cell not in others]

    @property
    def families(self) -> list[str]:
        """The families of the table, where there are several: then no one law is all of it."""
        if self.table is None or FAMILY not in self.table:
            return []
        every = self.table[FAMILY].dropna() if self.chosen is None else self.chosen
        names = sorted({str(name) for name in every})
        return names if len(names) > 1 else []

    @property
    def fit(self) -> Pooled | None:
        """The fit of a study of one family."""
        return next(iter(self.fits.values()), None) if not self.families else None

    def nearest(self) -> dict[str, Nearest | None]:
        """From N to the nearest configuration of each family's own ladder, where there is one."""
        found: dict[str, Nearest | None] = {}
        for family, fit in self.fits.items():
            table = self.table
            own = [family] if self.families else self.chosen
            if table is not None and own:
                table = table[table[FAMILY].isin(own)]
            try:
                found[family] = table if table is None else buildable(table, fit.n_column, None)
            except InputError:  # a family that only its owners can build
                found[family] = None
        return found
