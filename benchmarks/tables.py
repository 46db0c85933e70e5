"""A long table converted: seconds and peak memory of `scaling table convert` and of pandas.

    python benchmarks/tables.py [--rows 1800000]

The baseline reads the CSV whole and writes it: `pandas.read_csv(path).to_parquet(to)`. Each runs in
a process of its own, on a table of 150,000 rows and on the long one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SHORT = 150_000  # rows, and those that are made at once
OURS = """
from scaling.interchange.stream import Parts, copy
copy(Parts(Path(sys.argv[1])), Path(sys.argv[2]))
"""
PANDAS = """
import pandas
pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[2])
"""
MEASURED = """
import resource, sys, time
from pathlib import Path
start = time.perf_counter()
{work}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.perf_counter() - start, peak)
"""


def make(path: Path, rows: int) -> None:
    """A log of runs: an id, three numbers, a seed, a word."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for start in range(0, rows, SHORT):
            n = min(SHORT, rows - start)
            part = pd.DataFrame(
                {
                    "run": [f"run-{start + i}" for i in range(n)],
                    "N": rng.uniform(1e6, 1e9, n),
                    "D": rng.uniform(1e8, 1e11, n),
                    "loss": rng.uniform(2, 4, n),
                    "seed": rng.integers(0, 3, n),
                    "note": "abc def",
                }
            )
            part.to_csv(file, index=False, header=start == 0)


def measure(work: str, source: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MiB (as Linux counts it), of a process of its own."""
    line = [sys.executable, "-c", MEASURED.format(work=work), source, f"{source}.parquet"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12 * SHORT)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        for number in (SHORT, rows):
            source = Path(folder) / f"{number}.csv"
            make(source, number)
            (ours, peak), (theirs, their_peak) = measure(OURS, source), measure(PANDAS, source)
            print(
                f"{number:,} rows, {source.stat().st_size / 1e6:.0f} MB of CSV: {ours:.1f} s and "
                f"{peak:.0f} MiB; pandas {theirs:.1f} s and {their_peak:.0f} MiB; "
                f"ratios {ours / theirs:.2f} and {peak / their_peak:.2f}"
            )


if __name__ == "__main__":
    main()
