"""How long a report takes, part by part, and how many bytes it is: of studies and of tables.

    python benchmarks/report.py [ROWS ...]

Studies have curves (32 and 1,000 runs), tables have none (10,000 and 100,000 rows). Each row of the
output is a process of its own, so that starting Python and loading the library count, too; its CPU
seconds say what a busy machine's clock cannot.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SIZES = (32, 1_000, 10_000, 100_000)
PARTS = ("load", "read", "fit", "answer", "figures", "page", "write")
_STUDIES = 1_000  # runs up to which a study with curves is made; more are a table

CHILD = """
import json, sys, time
clock, cpu = time.perf_counter(), time.process_time()
seconds, was = {}, [clock]

def part(name):
    now = time.perf_counter()
    seconds[name] = seconds.get(name, 0.0) + now - was[0]
    was[0] = now

from scaling.report import page, read, given, write
part("load")

def around(module, name, inside, before):
    whole = getattr(module, name)
    def call(*args, **kwargs):
        part(before)
        try:
            return whole(*args, **kwargs)
        finally:
            part(inside)
    setattr(module, name, call)

around(read, "fit_rule", "fit", "read")
around(given, "fit_law", "fit", "read")
around(page, "answers", "answer", "read")
around(page, "figures", "figures", "page")
around(write, "render", "page", "read")
place = write.report(sys.argv[1], sys.argv[2])
part("write")
print(json.dumps({**seconds, "all": time.perf_counter() - clock, "cpu": time.process_time() - cpu,
                  "bytes": place.stat().st_size}))
"""


def main(sizes: list[int]) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    head = "".join(f"{name:>9}" for name in (*PARTS, "all", "CPU"))
    print(f"{'runs':>8} {'of':<6}{head}{'MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            kind = "study" if rows <= _STUDIES else "table"
            source = (study if kind == "study" else table)(rows, Path(folder))
            told = json.loads(
                subprocess.run(
                    [sys.executable, "-c", CHILD, str(source), str(Path(folder) / "report.html")],
                    check=True, capture_output=True, text=True,
                ).stdout
            )  # fmt: skip
            each = "".join(f"{told.get(name, 0.0):9.2f}" for name in (*PARTS, "all", "cpu"))
            print(f"{rows:8,} {kind:<6}{each}{told['bytes'] / 1e6:8.2f}", flush=True)


def study(rows: int, folder: Path) -> Path:
    from batteries import studies

    sizes, lengths = (4, 4) if rows <= 32 else (20, rows // 40)
    return studies.large_study(folder / f"study-{rows}", sizes, lengths, seeds=2)


def table(rows: int, folder: Path) -> Path:
    """A ladder of sizes and lengths, ten runs of each."""
    side = round((rows / 10) ** 0.5)
    N, D = np.geomspace(1e4, 1e6, side).round(), np.geomspace(5e5, 5e7, side).round()
    n, d = (np.repeat(values.ravel(), 10) for values in np.meshgrid(N, D))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.005, len(n)))
    loss = (0.9 + 37 / n**0.44 + 176 / d**0.44) * noise
    path = folder / f"table-{rows}.csv"
    names = [f"run{i}" for i in range(len(n))]
    pd.DataFrame({"run": names, "N": n, "D": d, "loss": loss}).to_csv(path, index=False)
    return path


if __name__ == "__main__":
    main([int(rows.replace(",", "")) for rows in sys.argv[1:]] or list(SIZES))
