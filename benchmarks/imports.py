"""How fast logs become a run table, and how much memory that takes.

    python benchmarks/imports.py [--runs 10000] [--points 1000] [--formats csv,parquet] [--json]

Each format's log of made-up runs (one row a point, five columns) is imported by a process of its
own, at a tenth of the runs and at all of them: memory is flat where both peaks are alike. The
baseline is what one would write by hand, pandas reading the same file as one frame and taking the
last row of each run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

_OURS = """
import sys, time
began = time.perf_counter()
from scaling.importing import import_runs
made = import_runs([sys.argv[1]])
seconds = time.perf_counter() - began
"""
_PANDAS = """
import sys, time
began = time.perf_counter()
import pandas as pd
path = sys.argv[1]
read = {"csv": pd.read_csv, "parquet": pd.read_parquet,
        "jsonl": lambda p: pd.read_json(p, lines=True)}[path.rpartition(".")[2]]
made = read(path).dropna(subset=["val_loss"]).groupby("run_id", sort=False).last()
seconds = time.perf_counter() - began
"""
# The kernel's own mark of this process: what getrusage tells includes its parent's.
_TOLD = """
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024)
"""


def main(
    runs: Annotated[int, typer.Option(min=10, help="Runs of the larger log.")] = 10_000,
    points: Annotated[int, typer.Option(min=2, help="Of each run.")] = 1_000,
    formats: Annotated[str, typer.Option(help="csv, parquet, jsonl.")] = "csv,parquet,jsonl",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure each format."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in formats.split(","):
            for number in (runs // 10, runs):
                path = Path(folder) / f"log.{suffix}"
                _write(path, number, points)
                megabytes = path.stat().st_size / 1e6
                row = {"format": suffix, "runs": number, "megabytes": megabytes}
                for name, code in (("scaling", _OURS), ("pandas", _PANDAS)):
                    row[f"{name}_s"], row[f"{name}_mib"] = _measured(code, path)
                found.append(row)
                path.unlink()
                if not as_json:
                    _show(row)
    if as_json:
        print(json.dumps(found))


def _measured(code: str, path: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a process that runs it."""
    done = subprocess.run([sys.executable, "-c", code + _TOLD, path], capture_output=True,
                          text=True, check=True)  # fmt: skip
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def _show(row: dict[str, float | str]) -> None:
    print(
        f"{row['format']:<8}{row['runs']:>7,} runs {row['megabytes']:8,.1f} MB   "
        f"scaling {row['scaling_s']:6.1f} s {row['scaling_mib']:7,.0f} MiB   "
        f"pandas, one frame {row['pandas_s']:6.1f} s {row['pandas_mib']:7,.0f} MiB   "
        f"time x {row['scaling_s'] / row['pandas_s']:.2f}, memory x "
        f"{row['scaling_mib'] / row['pandas_mib']:.2f}"
    )


def _write(path: Path, runs: int, points: int) -> None:
    """A log, written a thousand runs at a time."""
    steps = np.arange(1, points + 1) * 10
    writer = None
    for first in range(0, runs, 1000):
        frame = _frame(range(first, min(first + 1000, runs)), steps)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False, mode="a", header=first == 0)
        elif path.suffix == ".jsonl":
            with path.open("a") as file:
                frame.to_json(file, orient="records", lines=True)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


def _frame(numbers: range, steps: np.ndarray) -> pd.DataFrame:
    rng = np.random.default_rng(numbers.start)
    sizes = 1e6 * 1.0005 ** np.asarray(numbers)
    loss = 1.7 + 400 / sizes[:, None] ** 0.34 + 410 / (steps * 65536.0) ** 0.28
    loss = np.round(loss + rng.normal(0, 0.01, loss.shape), 6)
    return pd.DataFrame(
        {
            "run_id": np.repeat([f"run-{i:05d}" for i in numbers], len(steps)),
            "step": np.tile(steps, len(numbers)),
            "tokens": np.tile(steps * 65536, len(numbers)),
            "params": np.repeat(np.round(sizes), len(steps)),
            "val_loss": loss.ravel(),
        }
    )


if __name__ == "__main__":
    typer.run(main)
