"""Logs of runs as tables, written by pandas, a format each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from batteries.importers import BATCH_TOKENS, MadeRun, Writer


def frame(runs: Sequence[MadeRun]) -> pd.DataFrame:
    """A row a point, with the run's configuration beside it."""
    return pd.DataFrame(
        {"run_id": run.name, "step": step, "tokens": step * BATCH_TOKENS, "train_loss": train,
         "val_loss": loss, **run.config}
        for run in runs
        for step, train, loss in run.points
    )  # fmt: skip


def writer(suffix: str) -> Callable[[Path, Sequence[MadeRun]], str]:
    def write(folder: Path, runs: Sequence[MadeRun]) -> str:
        path, df = folder / f"log{suffix}", frame(runs)
        match suffix:
            case ".csv":
                df.to_csv(path, index=False)
            case ".jsonl":
                df.to_json(path, orient="records", lines=True, double_precision=15)
            case ".parquet":
                df.to_parquet(path, index=False)
            case ".xlsx":
                df.to_excel(path, index=False)
        return str(path)

    return write


# A log's columns are numbers of its rows: what stays the same in a run is in none of its settings.
WRITERS = {"table": Writer(writer(".csv"), digits=12, cannot=frozenset({"config"}))}
