"""Rows of named numbers as a log gives them, kept as one array a name."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np

_NAN = float("nan")


class History:
    """Grows row by row; a name that a row lacks is NaN there, before its first row, too."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def add(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = array("d")
            _fill(column, self._rows)
            column.append(value)
        self._rows += 1

    def add_to_last(self, row: Mapping[str, float]) -> None:
        """More of the last row: what it has already is kept."""
        for name, value in row.items():
            column = self._columns.setdefault(name, array("d"))
            if len(column) < self._rows:
                _fill(column, self._rows - 1)
                column.append(value)

    def arrays(self) -> dict[str, np.ndarray]:
        """All columns, of one length; views of what this history holds: add no row after."""
        for column in self._columns.values():
            _fill(column, self._rows)
        return {name: np.frombuffer(column) for name, column in self._columns.items()}


def _fill(column: array[float], rows: int) -> None:
    if len(column) < rows:
        column.extend([_NAN] * (rows - len(column)))
