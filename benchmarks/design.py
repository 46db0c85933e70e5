"""What a design saves: compute for one width and error at a target, against a plain grid.

    python benchmarks/design.py [--replications 12] [--truth NAME ...] [--data FOLDER] [--jobs 2]

Simulated: runs of published laws with noise. The plain arm is a geometric grid of 6 sizes by 6
lengths from one smallest cell, as far up as its budget goes; the designed arm starts from nothing
and chooses its runs in three rounds from a lattice that begins at that cell. Real: rows of
published isoFLOP tables below their largest budget, which is the target. The plain arm is every row
up to a budget; the designed arm chooses among the same rows, for a part of what they cost together.

Both arms are read by the same readers. A design at b FLOPs is as good as the grid at B, where the
grid's width at the target (median) and its error (rms) come down to the design's: the smaller such
B counts. The ratio is b / B.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rollout import experiments
from scipy.optimize import isotonic_regression

from scaling import laws
from scaling.cost import c_6nd
from scaling.errors import InputError
from scaling.fit.budgets import BUDGETS
from scaling.forecast.designs.believed import believed
from scaling.forecast.designs.design import Candidate, Goal, design
from scaling.forecast.forecasters import Make, forecasters
from scaling.forecast.published import PublishedLaw
from scaling.forecast.rollouts.rollout import LEAST_DISTANCE
from scaling.forecast.rollouts.truth import truth_of
from scaling.forecast.rows import rows_of
from scaling.laws.law import Published

Array = NDArray[np.float64]

_BUSBRIDGE = Published(
    name="busbridge_like",
    law="busbridge",
    params={"E": 1.8, "A": 3.0e3, "B": 2.5e4, "alpha": 0.45, "beta": 0.5, "gamma": 0.76},
    reference="stated here: Hoffmann's losses under one more power",
    read="stated here",
)
_NAMED = ("hoffmann2022_unrounded", "besiroglu2024", "muennighoff2023_tied", "gadre2024_c4",
          "kaplan2020", "pearce2024")  # fmt: skip
TRUTHS = {
    item.name: PublishedLaw(item)
    for item in (*(laws.published[name] for name in _NAMED), _BUSBRIDGE)
}
NOISE = 0.01  # sd of a run's ln loss
SMALLEST = 4e7, 8e8  # N and D of both arms' smallest cell
TARGET = 3e22
GRID = 6  # sizes, and lengths
LATTICE = np.geomspace(1, 100, 13)  # of what a design may choose, over the smallest cell
SEEDS = 2  # of each cell that a design may choose
PLAIN = np.geomspace(3e19, 3e22, 13)  # FLOPs of the grids
DESIGNED = np.geomspace(1e20, 1e21, 3)
ROUNDS = (1 / 3, 2 / 3, 1.0)  # of the budget, spent when a round ends
PARTS = (0.2, 0.3, 0.5, 0.7)  # of what a real table's rows cost
ROUNDED = 1.1  # budgets are met to a tenth
LEAST = 5  # budgets below a real table's target, from which on a design is made


def plain(budget: float) -> tuple[Array, Array]:
    """N and D of the geometric grid that takes so many FLOPs."""

    def grid(ratio: float) -> tuple[Array, Array]:
        steps = np.geomspace(1, ratio, GRID)
        N, D = np.meshgrid(SMALLEST[0] * steps, SMALLEST[1] * steps)
        return N.ravel(), D.ravel()

    ratios = np.geomspace(1.5, 1e3, 200)
    costs = [c_6nd(*grid(ratio)).sum() for ratio in ratios]
    return grid(float(np.exp(np.interp(np.log(budget), np.log(costs), np.log(ratios)))))


def designed(
    pool: pd.DataFrame, target: float, budget: float, goal: Goal, seed: int
) -> pd.DataFrame:
    """Rows of the pool (N, D, C, loss) chosen in rounds, each by the losses of those before."""
    seen, left = pool.iloc[:0], pool
    for part in ROUNDS:
        runs = [Candidate(*row) for row in left[["N", "D", "C"]].itertuples(index=False)]
        budget_now = budget * part - seen.C.sum()
        if not runs or budget_now < left.C.min():
            continue
        found = design(
            seen, runs, target=target, budget=budget_now, goal=goal, draws=400, seed=seed
        )
        chosen = left.index[list(found.chosen)]
        seen, left = pool.loc[[*seen.index, *chosen]], left.drop(index=chosen)
    return seen


# Ways to read a table: forecasters by name, and the law under published priors.
READERS: Mapping[str, Make] = {k: item.make for k, item in forecasters().items()}
READERS = {**READERS, "believed": believed}
READ_BY = "chinchilla_tied", "believed"  # the default of free tables, and the law under priors


def read(rows: pd.DataFrame, reader: str, target: float, draws: int) -> tuple[float, ...]:
    """ln loss at the target's optimum, the width of its 90 % interval, and ln N_opt there."""
    best = READERS[reader](rows.reset_index(drop=True), draws=draws).optimum(target)
    low, high = best.loss.interval()
    return float(np.log(best.loss.point)), float(np.log(high / low)), float(np.log(best.N.point))


ANSWER = ["truth", "reader", "arm", "budget", "spent", "rows", "width", "error", "n_error"]


def replicate(
    readers: Sequence[str], goal: Goal, draws: int, asked: tuple[str, int]
) -> pd.DataFrame:
    """Both arms at all their budgets on one simulated truth."""
    name, seed = asked
    truth = TRUTHS[name]
    best = truth.optimum(TARGET)
    known = float(np.log(best.loss.point)), float(np.log(best.N.point))
    answers = []

    def seen(N: Array, D: Array, arm: int) -> pd.DataFrame:
        error = NOISE * np.random.default_rng([seed, arm]).normal(size=len(N))
        loss = truth.loss(N, D).point * np.exp(error)
        return pd.DataFrame({"N": N, "D": D, "C": c_6nd(N, D), "loss": loss, "C_kind": "6ND"})

    N, D = (v.ravel().repeat(SEEDS) for v in np.meshgrid(*(low * LATTICE for low in SMALLEST)))
    pool = seen(N, D, 1)
    arms = [("plain", b, seen(*plain(b), 0)) for b in PLAIN]
    arms += [("designed", b, designed(pool, TARGET, b, goal, seed)) for b in DESIGNED]
    for arm, budget, rows in arms:
        for reader in readers:
            try:
                loss, width, n = read(rows, reader, TARGET, draws)
            except InputError:
                loss = width = n = np.nan
            told = (width, loss - known[0], n - known[1])
            answers.append((name, reader, arm, budget, rows.C.sum(), len(rows), *told))
    return pd.DataFrame(answers, columns=ANSWER)


def ratios(answers: pd.DataFrame) -> pd.DataFrame:
    """One row a reader, truth and budget b of the design: its rows, width, rms errors, and b over
    the budget of the grid that is as good: by width, by error, and by both (the larger)."""
    found = []
    for (reader, name), own in answers.groupby(["reader", "truth"], sort=False):
        told = own.groupby(["arm", "budget"]).agg(
            spent=("spent", "mean"),
            rows=("rows", "mean"),
            width=("width", "median"),
            error=("error", _rms),
            n_error=("n_error", _rms),
        )
        grid = told.loc["plain"]
        for budget, made in told.loc["designed"].iterrows():
            row: dict[str, Any] = {"reader": reader, "truth": name, "b": budget}
            row |= made[["rows", "width", "error", "n_error"]].to_dict()
            for what in ("width", "error"):
                row[f"by {what}"] = _saved(made.spent, grid.spent, grid[what], made[what])
            found.append({**row, "by both": max(row["by width"], row["by error"])})
    return pd.DataFrame(found)


def _rms(errors: pd.Series[float]) -> float:
    return float(np.sqrt((errors**2).mean()))


def _saved(spent: float, budgets: pd.Series[float], curve: pd.Series[float], value: float) -> float:
    """What was spent over the budget at which the grid's curve, made falling, comes down to a
    value: at most its last; without end where the value is above the whole curve."""
    falling = isotonic_regression(np.log(curve.to_numpy()), increasing=False).x
    if np.log(value) > falling[0]:
        return np.inf
    at = np.interp(-np.log(value), -falling, np.log(budgets.to_numpy()))
    return float(spent / np.exp(at))


def on_tables(data: Path, goal: Goal, draws: int) -> Iterator[dict[str, Any]]:
    """Both arms on every clean isoFLOP table, the grid up to each budget from the third on, the
    design from the LEAST-th on.

    The design chooses among the rows up to that budget, too.
    """
    for item in experiments(data):
        if item.group != "clean":
            continue
        rows = rows_of(item.table)
        truth = truth_of(rows)
        if not len(truth.C):
            continue
        target, known = float(truth.C[-1]), float(truth.loss[-1])
        below = [b.C for b in rows.budgets if target / b.C > LEAST_DISTANCE]
        for number, level in enumerate(below[BUDGETS - 1 :], BUDGETS):
            grid = rows.up_to(ROUNDED * level)[["N", "D", "C", "loss"]]
            whole = float(grid.C.sum())
            arms = [("plain", grid)]
            if number >= LEAST:
                arms += [(p, designed(grid, target, p * whole, goal, 0)) for p in PARTS]
            for part, took in arms:
                try:
                    loss, width, _ = read(took, "isoflop", target, draws)
                except InputError:
                    loss = width = np.nan
                yield {
                    "table": item.name,
                    "distance": target / level,
                    "part": part,
                    "flops": took.C.sum(),
                    "rows": len(took),
                    "width": width,
                    "error": abs(loss - known),
                }


def parts(answers: pd.DataFrame) -> pd.DataFrame:
    """One row a part of the rows' cost: over tables and budgets, medians of the design's width and
    error over those of every row, and, by width, of its cost over that of the plain rows (up to a
    lower or higher budget of the table) that are as good."""
    keys = ["table", "distance"]
    every = answers[answers.part == "plain"].set_index(keys)
    made = answers[answers.part != "plain"].dropna(subset=["width"])
    made = made.join(every[["width", "error"]], on=keys, rsuffix="_plain")
    made["by width"] = [
        _saved(row.flops, grid.flops, grid.width, row.width)
        for row in made.itertuples()
        for grid in [every.loc[row.table].sort_values("flops")]
    ]
    return (
        made.assign(w=made.width / made.width_plain, e=made.error / made.error_plain)
        .groupby("part")
        .agg(
            n=("width", "count"),
            rows=("rows", "mean"),
            width=("w", "median"),
            error=("e", "median"),
            by_width=("by width", "median"),
        )
        .reset_index()
    )


def _markdown(table: pd.DataFrame) -> str:
    def cell(value: Any) -> str:
        return format(value, ".3g") if isinstance(value, float) else str(value)

    lines = [list(table), ["---"] * table.shape[1]]
    lines += [[cell(v) for v in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(
    replications: Annotated[int, typer.Option(min=0, help="Of each truth.")] = 12,
    truth: Annotated[list[str] | None, typer.Option(help="Truths by name.")] = None,
    reader: Annotated[list[str] | None, typer.Option(help="Readers by name.")] = None,
    goal: Annotated[Goal, typer.Option(help="loss, n_opt or regret.")] = "loss",
    draws: Annotated[int, typer.Option(min=100, help="Draws of each forecast.")] = 200,
    data: Annotated[Path | None, typer.Option(help="Folder of the published tables.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count and print."""
    began = time.perf_counter()
    names, readers = truth or list(TRUTHS), reader or list(READ_BY)
    simulated = real = pd.DataFrame()
    if replications:
        asked = [(name, seed) for name in names for seed in range(replications)]
        with ProcessPoolExecutor(jobs) as pool:
            done = list(pool.map(partial(replicate, readers, goal, draws), asked))
        simulated = ratios(pd.concat(done))
    if data is not None:
        real = parts(pd.DataFrame(on_tables(data, goal, draws)))
    seconds = time.perf_counter() - began
    if as_json:
        facts = {"simulated": simulated.to_dict("records"), "real": real.to_dict("records")}
        print(json.dumps({**facts, "seconds": seconds}, indent=1))
        return
    print(f"{replications} replications of each truth; {seconds:.0f} s")
    if len(simulated):
        columns = ["by width", "by error", "by both"]
        by_truth = simulated.groupby(["reader", "truth"], sort=False)[columns].median()
        over_all = by_truth.groupby("reader", sort=False).median()
        for told in (simulated, by_truth.reset_index(), over_all.reset_index()):
            print(f"\n{_markdown(told)}")
    if len(real):
        print(f"\nReal tables, the design over every row:\n\n{_markdown(real)}")


if __name__ == "__main__":
    typer.run(main)
