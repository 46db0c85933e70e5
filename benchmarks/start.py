"""How soon the command answers, against a Python that only imports what it stands on.

    python benchmarks/start.py [--times 9] [--json]

Each command is a process of its own; the lowest time of several stands for a quiet machine, and CPU
time beside it for a busy one. Limits are those of the toolkit's own goals. Ratios are of CPU time
to that of `import numpy, pandas, scipy`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import DEVNULL, run
from typing import Annotated

import numpy as np
import pandas as pd
import typer

ROWS = 250
IMPORTS = ("-c", "import numpy, pandas, scipy.optimize")
SCALING = ("-m", "scaling")
# What is run, and the most seconds that it may take; None for what it is held against.
RUNS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "python -c pass": (("-c", "pass"), None),
    "import numpy, pandas, scipy": (IMPORTS, None),
    "scaling": (SCALING, 0.15),
    "scaling --help": ((*SCALING, "--help"), 0.3),
    f"scaling fit, {ROWS} rows": ((*SCALING, "fit", "runs.csv"), 2.0),
}


def main(
    times: Annotated[int, typer.Option(min=1, help="Processes a command.")] = 9,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time cold starts and print them with ratios."""
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder, "runs.csv"))
        found = {name: timed(words, times, folder) for name, (words, _) in RUNS.items()}
    base = found["import numpy, pandas, scipy"][1]
    if as_json:
        facts = {
            name: {"wall": wall, "cpu": cpu, "ratio": cpu / base, "limit": RUNS[name][1]}
            for name, (wall, cpu) in found.items()
        }
        print(json.dumps(facts, indent=2))
        return
    for name, (wall, cpu) in found.items():
        limit = RUNS[name][1]
        goal = "" if limit is None else f"; goal {limit:g} s wall"
        print(f"{name:28}  wall {wall:6.3f} s  CPU {cpu:6.3f} s  {cpu / base:5.2f}x imports{goal}")


def write_table(path: Path) -> None:
    """Runs that follow Chinchilla's law, with 1 % of noise."""
    rng = np.random.default_rng(0)
    n, d = np.exp(rng.uniform(np.log(1e7), np.log(1e10), (2, ROWS)))
    loss = (1.69 + 406.4 / n**0.34 + 410.7 / (20 * d) ** 0.28) * np.exp(rng.normal(0, 0.01, ROWS))
    pd.DataFrame({"N": n, "D": 20 * d, "loss": loss}).to_csv(path, index=False)


def timed(words: tuple[str, ...], times: int, folder: str) -> tuple[float, float]:
    """The lowest wall and CPU seconds of so many processes."""
    walls, cpus = [], []
    for _ in range(times):
        before, begin = getrusage(RUSAGE_CHILDREN), time.perf_counter()
        run([sys.executable, *words], cwd=folder, stdout=DEVNULL, check=True)
        walls.append(time.perf_counter() - begin)
        after = getrusage(RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(cpus)


if __name__ == "__main__":
    typer.run(main)
