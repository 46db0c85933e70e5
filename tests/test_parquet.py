"""Parquet is read on the thread that asks: threads that still start abort a program that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

from scaling import parquet

# What a program leaves running when it has read a table.
THREADS = """
import sys
from pathlib import Path
from scaling import parquet
import pandas
before = len(list(Path("/proc/self/task").iterdir()))
parquet.read_frame(Path(sys.argv[1]))
print(len(list(Path("/proc/self/task").iterdir())) - before)
"""


def test_it_reads_what_pandas_reads(tmp_path: Path) -> None:
    frame = pd.DataFrame({"run": ["a", "ü"], "N": [1.0, None], "seed": [0, 1]})
    frame.to_parquet(tmp_path / "table.parquet")
    read = parquet.read_frame(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(read, pd.read_parquet(tmp_path / "table.parquet"))


def test_no_thread_is_started(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({name: range(1000) for name in "abcdef"}).to_parquet(path)
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == 0
