"""The runs as the page's scripts link them, in figures and table: what is known of each, and by
what they are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.plot.words import quantity
from scaling.report.runs import rows_of
from scaling.report.study import Study
from scaling.units import GAINS, METRICS

# What is told of a run, in this order, as far as its table has it, and how a number is written.
_TOLD = {
    "run": "text", "role": "text", "family": "text", "N": "count", "N_total": "count",
    "N_active": "count", "D": "count", "D_unique": "count", "C": "power", "C_6ND": "power",
    "seed": "text", "learning_rate": "plain", "loss": "loss", "loss_se": "loss",
    **dict.fromkeys([*METRICS, *GAINS], "loss"),
    "predicted_seconds": "plain", "seconds": "plain", "status": "text", "reason": "text",
}  # fmt: skip
_SIZES = ("N", "N_total")
_APART = 24  # values of one kind that have a switch each; of more there is none


@dataclass(frozen=True, eq=False)
class Linked:
    """rows: those of the page's table. size: the column that figures tell sizes apart by."""

    rows: pd.DataFrame
    size: str = "N"

    @classmethod
    def of(cls, study: Study) -> Linked:
        first = next(iter(study.fits.values()), None)
        rows, _ = rows_of(study)
        return cls(pd.DataFrame(list(rows)), study.rule.N if first is None else first.n_column)

    @cached_property
    def _by_name(self) -> dict[str, int]:
        names = self.rows["run"].astype(str) if "run" in self.rows else ()
        return {name: i for i, name in enumerate(names)}

    @cached_property
    def _by_values(self) -> dict[tuple[str, str, str], int]:
        """The first run of each size, length and loss (or metric)."""
        found: dict[tuple[str, str, str], int] = {}
        losses = [name for name in ("loss", *METRICS, *GAINS) if name in self.rows]
        for size in (name for name in _SIZES if name in self.rows and "D" in self.rows):
            for loss in losses:
                columns = (self.rows[name] for name in (size, "D", loss))
                for i, values in enumerate(zip(*columns, strict=True)):
                    found.setdefault(_key(*values), i)
        return found

    def find(self, columns: Mapping[str, NDArray[Any]]) -> list[int]:
        """The run of each marker: by its name, else by size, length and loss; -1 where none is."""
        if "run" in columns:
            return [self._by_name.get(str(name), -1) for name in columns["run"]]
        if not {"N", "D", "loss"} <= set(columns):
            return [-1] * len(next(iter(columns.values()), ()))
        values = zip(*(columns[name] for name in ("N", "D", "loss")), strict=True)
        return [self._by_values.get(_key(*each), -1) for each in values]

    @cached_property
    def sizes(self) -> list[float]:
        if self.size not in self.rows:
            return []
        return sorted({float(value) for value in self.rows[self.size].dropna()})

    def told(self) -> dict[str, Any]:
        """Columns, how they are written, and the groups that can be shown and hidden: of each its
        name and the runs in it."""
        names = [name for name in _TOLD if name in self.rows and self.rows[name].notna().any()]
        return {
            "count": len(self.rows),
            "columns": {name: self.rows[name].astype(object).tolist() for name in names},
            "forms": {name: _TOLD[name] for name in names},
            "groups": [group for group in self._groups() if 1 < len(group["values"]) <= _APART],
        }

    def _groups(self) -> list[dict[str, Any]]:
        groups = []
        for column in ("role", "family", "seed", self.size):
            if column not in self.rows:
                continue
            values = self.rows[column]
            write = quantity if column == self.size else str
            groups.append(
                {
                    "name": column,
                    "size": column == self.size,
                    "values": [
                        {"name": write(value), "runs": np.flatnonzero(values == value)}
                        for value in sorted(values.dropna().unique())
                    ],
                }
            )
        return groups


def _key(*values: Any) -> tuple[str, str, str]:
    """Nine digits: more than two runs share by chance, fewer than arithmetic loses."""
    N, D, loss = (f"{float(value):.9g}" for value in values)
    return N, D, loss
