"""How often 50, 80, 90 and 95 % intervals hold, on tables whose truth is known: the full study.

    python benchmarks/coverage.py [--replications 20] [--forecaster NAME ...] [--jobs 2] [--json]

Six laws, three noise levels, two designs of 56 runs: each table is fitted by the law that it
follows and by each forecaster, and their intervals are held against a new run's loss and N_opt
inside the runs and at 10 and 100 times their largest compute. Prints the tables of
docs/coverage.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Annotated, Any

import pandas as pd
import typer

from scaling.forecast.rollouts.coverage import (
    DEFAULTS,
    LEVELS,
    SCORED,
    Coverage,
    cases,
    coverage,
    maker,
    share,
)
from scaling.forecast.rollouts.truths import Case
from scaling.terminal import progress

SPLITS = ("law", "design", "noise")
_PART = 12  # tables that a process takes at a time


def main(
    replications: Annotated[int, typer.Option(min=1, help="Tables of each kind.")] = 20,
    forecaster: Annotated[list[str] | None, typer.Option(help="Forecasters by name.")] = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws for each forecast.")] = 200,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count and print."""
    began = time.perf_counter()
    asked = cases(replications=replications)
    names = tuple(forecaster or DEFAULTS)
    parts = [asked[i : i + _PART] for i in range(0, len(asked), _PART)]
    done: list[Coverage] = []
    with progress("tables") as told, ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(partial(_counted, names, draws), parts):
            done.append(part)
            told(min(_PART * len(done), len(asked)), len(asked))
    found = Coverage(
        pd.concat([part.answers for part in done], ignore_index=True),
        tuple(reason for part in done for reason in part.refused),
    )
    seconds = time.perf_counter() - began
    if as_json:
        splits = {split: found.to_dict(split)["coverage"] for split in SPLITS}
        print(json.dumps({**found.to_dict(), **splits, "seconds": seconds}, indent=2))
        return
    print(f"{len(asked)} tables, {seconds:.0f} s; {len(found.refused)} forecasts refused")
    for reason in found.refused[:3]:
        print(f"refused: {reason}")
    print(f"\n{_overall(found)}")
    for split in SPLITS:
        print(f"\nActual coverage of {100 * SCORED:g} % intervals in %, by {split}:\n")
        print(_split(found, split))
    print("\n" + "\n".join(f"- {word}" for word in found.words()))


def _counted(names: tuple[str, ...], draws: int, asked: Sequence[Case]) -> Coverage:
    """A process's part; makers are closures, so only their names are sent to it."""
    return coverage(asked, {name: maker(name) for name in names}, draws=draws)


def _overall(found: Coverage) -> str:
    head = ["forecaster", "of", "at", *(f"{100 * level:g} %" for level in LEVELS)]
    rows = [
        [
            row["forecaster"],
            row["quantity"],
            row["distance"],
            *(share(row, level) for level in LEVELS),
            *(f"{row[name]:.3g}" for name in ("width", "score", "error")),
        ]
        for row in found.by().to_dict("records")
    ]
    return _markdown([*head, f"{100 * SCORED:g} % width", "score", "error"], rows)


def _split(found: Coverage, split: str) -> str:
    """One row a forecaster, quantity and distance; one column a member of the split."""
    told = found.by(split)
    told["share"] = [share(row, SCORED) for row in told.to_dict("records")]
    keys = ["forecaster", "quantity", "distance"]
    wide = told.pivot_table(index=keys, columns=split, values="share", aggfunc="first", sort=False)
    rows = [[*key, *cells] for key, cells in zip(wide.index, wide.to_numpy(), strict=True)]
    return _markdown(["forecaster", "of", "at", *map(_label, wide.columns)], rows)


def _label(value: Any) -> str:
    return f"{100 * value:g} % noise" if isinstance(value, float) else str(value)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join("" if pd.isna(c) else c for c in line) + " |" for line in lines
    )


if __name__ == "__main__":
    typer.run(main)
