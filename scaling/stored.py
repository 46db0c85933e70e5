"""What figures are drawn from, as it is stored: a table, a saved fit, a study's or a run's folder,
here or behind a URL. Each part is read when it is asked for, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from scaling.files import Place
    from scaling.fit import Fit
    from scaling.forecast.proof import Verdict

SAVED = ".json"


@dataclass
class Stored:
    """A `scaling.plot.entry.Source` on a disk or in a store.

    name: a path or a URL. columns: our names of a table's columns, as `read_table` takes them.
    law, settings: of a fit; quantities: those to be profiled.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    law: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    quantities: Sequence[tuple[str, dict[str, float]]] = ()

    @cached_property
    def place(self) -> Place:
        return files.folder(self.name)

    @property
    def saved(self) -> bool:
        """Whether it is a fit that was saved."""
        return self.name.endswith(SAVED)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The run table; of a study that of its records so far, in the plan's order."""
        from scaling.sweep.storing.columns import table_of
        from scaling.table import read_table, renamed

        if self.saved:
            raise InputError(f"{self.name}: this figure needs a run table, not a fit")
        if not self._is_folder:
            return read_table(self.name, self.columns)
        if not len(self._records):
            return read_table(self._only_local / "table.parquet", self.columns)
        df = table_of(self._records)
        df.attrs["source"] = self.name
        return renamed(df, self.columns)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        self._must_be_study()
        found: list[dict[str, Any]] = self._records.to_pylist()
        return found

    @cached_property
    def curves(self) -> Mapping[str, pd.DataFrame]:
        self._must_be_study()
        return Curves(self.place / "cells", [str(run) for run in self.table["run"]])

    @cached_property
    def verdicts(self) -> list[Verdict]:
        from scaling.forecast import proof
        from scaling.sweep.storing.store import FORECAST

        self._must_be_study()
        stored = proof.read(self.place / FORECAST)
        return proof.verdicts(stored, {str(r["run"]): r for r in self.records})

    @cached_property
    def run(self) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        from scaling.sweep.storing.records import CURVE, RECORD, read_json

        if not files.exists(self.place / CURVE):
            raise InputError(f"{self.name}: no run's folder (no {CURVE}); give DIR/cells/ID")
        record = read_json(self.place / RECORD)
        return curve(self.place / CURVE), list(record.get("findings") or [])

    def fit(self) -> Fit:
        """The saved fit, or the law's fit to the table, as `scaling fit` makes it."""
        from scaling.fit import fit
        from scaling.fit.saved import saved_fit

        if self.saved:
            return saved_fit(Path(self.name))
        return fit(self.law or "chinchilla", self.table, **self.settings)

    @cached_property
    def _is_folder(self) -> bool:
        return files.is_folder(self.place)

    @property
    def _only_local(self) -> Path:
        if isinstance(self.place, Path):
            return self.place
        raise InputError(f"{self.name}: no run is finished")

    @cached_property
    def _records(self) -> Any:
        """The rows of the index: of every cell that is planned, or of all where no plan is."""
        from scaling.sweep.storing import index
        from scaling.sweep.storing.records import read_json
        from scaling.sweep.storing.store import MARKER

        rows = index.look(self.place)
        if not files.exists(self.place / MARKER):
            return rows.rows
        return rows.of([str(cell) for cell in read_json(self.place / MARKER).get("cells", [])])

    def _must_be_study(self) -> None:
        if not self._is_folder:
            raise InputError(f"{self.name}: this figure needs a study's folder")


class Curves(Mapping[str, "pd.DataFrame"]):
    """The curves that were kept, by run; each is read when it is asked for."""

    def __init__(self, cells: Place, runs: Sequence[str]) -> None:
        from scaling.sweep.storing.records import CURVE

        paths = {run: cells / run / CURVE for run in runs}
        self._paths = {run: path for run, path in paths.items() if files.exists(path)}

    def __getitem__(self, run: str) -> pd.DataFrame:
        return curve(self._paths[run])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def curve(path: Place) -> pd.DataFrame:
    """Raises InputError for one that cannot be read."""
    from scaling import parquet  # late: a list of figures needs no pandas

    try:
        with files.reading(path) as file:
            return parquet.read_frame(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
