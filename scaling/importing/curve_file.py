"""Curves of all runs in one Parquet file, written as runs come: run, step, D, loss, train_loss."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scaling import files
from scaling.errors import InputError

ROWS = 200_000  # of a row group
_NAMES = ("step", "D", "loss", "train_loss")
_SCHEMA = pa.schema([("run", pa.string()), *((name, pa.float64()) for name in _NAMES)])


class CurveFile:
    """The file while it is open; it is there, whole, when the block ends well."""

    def __init__(self, path: Path) -> None:
        if path.suffix != ".parquet":
            raise InputError(f"--curves {path}: curves are written as .parquet")
        self._path = path
        self._open = ExitStack()
        self._waiting: list[tuple[str, np.ndarray]] = []
        self._rows = 0

    def __enter__(self) -> CurveFile:
        file = self._open.enter_context(files.writing(self._path))
        self._writer = self._open.enter_context(pq.ParquetWriter(file, _SCHEMA))
        return self

    def add(self, run: str, points: np.ndarray) -> None:
        self._waiting.append((run, points))
        self._rows += len(points)
        if self._rows >= ROWS:
            self._flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._open.__exit__(kind, error, trace)

    def _flush(self) -> None:
        points = np.concatenate([each for _, each in self._waiting])
        runs = pa.array([run for run, each in self._waiting for _ in range(len(each))])
        columns = [runs, *(pa.array(points[:, i]) for i in range(len(_NAMES)))]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA))
        self._waiting, self._rows = [], 0
