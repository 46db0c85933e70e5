"""What a design saves: compute for one width and error at a target, against a plain grid.

    python benchmarks/design.py [--replications 12] [--truth NAME ...] [--data FOLDER] [--jobs 2]

Simulated: runs of published laws with noise. The plain arm is a geometric grid of 6 sizes by 6
lengths from one smallest cell, as far up as its budget goes; the designed arm starts from nothing
and chooses its runs in three rounds from a lattice that begins at that cell. Real: rows of
published isoFLOP tables below their largest budget, which is the target. The plain arm is every row
up to a budget; the designed arm chooses among the same rows, for a part of what they cost together.

Both arms are read by one forecaster. A design at b FLOPs is as good as the grid at B: the largest B
whose width and error at the target are both no smaller than the design's. The ratio is b / B.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
from scaling.forecast.design import Candidate, Goal, design
from scaling.forecast.forecasters import get
from scaling.forecast.published import PublishedLaw
from scaling.forecast.rollout import LEAST_DISTANCE
from scaling.forecast.rows import rows_of
from scaling.forecast.truth import truth_of
from scaling.laws.law import Published

Array = NDArray[np.float64]

_BUSBRIDGE = Published(
    name="busbridge_like",
    law="busbridge",
    params={"E": 1.8, "A": 3.0e3, "B": 2.5e4, "alpha": 0.45, "beta": 0.5, "gamma": 0.76},
    reference="stated here: Hoffmann's losses under one more power",
    read="stated here",
)
TRUTHS = {
    item.name: PublishedLaw(item)
    for item in (
        *(
            laws.published[name]
            for name in (
                "hoffmann2022_unrounded",
                "besiroglu2024",
                "muennighoff2023_tied",
                "gadre2024_c4",
                "kaplan2020",
                "pearce2024",
            )
        ),
        _BUSBRIDGE,
    )
}
NOISE = 0.01  # sd of a run's ln loss
SMALLEST = 4e7, 8e8  # N and D of both arms' smallest cell
TARGET = 3e22
GRID = 6  # sizes, and lengths
LATTICE = np.geomspace(1, 100, 13)  # of what a design may choose, over the smallest cell
PLAIN = np.geomspace(3e19, 3e22, 13)  # FLOPs of the grids
DESIGNED = np.geomspace(1e20, 1e21, 3)
ROUNDS = (0.1, 0.4, 1.0)  # of the budget, spent when a round ends
PARTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # of what a real table's rows cost
LEAST = 5  # budgets of a real table, below its target, from which on a grid is read


def table(N: Array, D: Array, loss: Array) -> pd.DataFrame:
    return pd.DataFrame({"N": N, "D": D, "C": c_6nd(N, D), "loss": loss, "C_kind": "6ND"})


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


def read(rows: pd.DataFrame, forecaster: str, target: float, draws: int) -> tuple[float, ...]:
    """ln loss at the target's optimum, the width of its 90 % interval, and ln N_opt there."""
    best = get(forecaster).make(rows.reset_index(drop=True), draws=draws).optimum(target)
    low, high = best.loss.interval()
    return float(np.log(best.loss.point)), float(np.log(high / low)), float(np.log(best.N.point))


def replicate(
    forecasters: Sequence[str], goal: Goal, draws: int, asked: tuple[str, int]
) -> list[dict[str, Any]]:
    """Both arms at all their budgets on one simulated truth."""
    name, seed = asked
    truth = TRUTHS[name]
    best = truth.optimum(TARGET)
    known = float(np.log(best.loss.point)), float(np.log(best.N.point))
    answers = []

    def seen(N: Array, D: Array, arm: int) -> pd.DataFrame:
        error = NOISE * np.random.default_rng([seed, arm]).normal(size=len(N))
        return table(N, D, truth.loss(N, D).point * np.exp(error))

    N, D = (v.ravel() for v in np.meshgrid(*(low * LATTICE for low in SMALLEST)))
    pool = seen(N, D, 1)
    arms = [("plain", b, seen(*plain(b), 0)) for b in PLAIN]
    arms += [("designed", b, designed(pool, TARGET, b, goal, seed)) for b in DESIGNED]
    for arm, budget, rows in arms:
        for forecaster in forecasters:
            try:
                loss, width, n = read(rows, forecaster, TARGET, draws)
            except InputError:
                loss = width = n = np.nan
            answers.append(
                {
                    "truth": name,
                    "forecaster": forecaster,
                    "arm": arm,
                    "budget": budget,
                    "spent": rows.C.sum(),
                    "rows": len(rows),
                    "width": width,
                    "error": loss - known[0],
                    "n_error": n - known[1],
                }
            )
    return answers


def ratios(answers: pd.DataFrame) -> pd.DataFrame:
    """One row a truth, forecaster and budget of the design: as good as the grid at which budget."""
    rows = []
    for (name, forecaster), own in answers.groupby(["truth", "forecaster"], sort=False):
        told = own.groupby(["arm", "budget"]).agg(
            spent=("spent", "mean"),
            rows=("rows", "mean"),
            width=("width", "mean"),
            error=("error", _rms),
            n_error=("n_error", _rms),
        )
        grid = told.loc["plain"]
        for budget, made in told.loc["designed"].iterrows():
            row = {"truth": name, "forecaster": forecaster, "b": budget, "rows": made["rows"]}
            row |= {"width": made.width, "error": made.error, "n_error": made.n_error}
            for what in ("width", "error"):
                row[f"B_{what}"] = _reached(grid.spent, grid[what], made[what])
            rows.append({**row, "ratio": made.spent / min(row["B_width"], row["B_error"])})
    return pd.DataFrame(rows)


def _rms(errors: pd.Series[float]) -> float:
    return float(np.sqrt((errors**2).mean()))


def _reached(budgets: pd.Series[float], values: pd.Series[float], value: float) -> float:
    """The budget at which the grid's curve, made falling, comes down to a value: at most its last
    and at least its first."""
    falling = isotonic_regression(np.log(values.to_numpy()), increasing=False).x
    return float(np.exp(np.interp(-np.log(value), -falling, np.log(budgets.to_numpy()))))


def on_tables(data: Path, forecaster: str, goal: Goal, draws: int) -> Iterator[dict[str, Any]]:
    """Both arms on every clean isoFLOP table, up to each budget from the LEAST-th on."""
    for item in experiments(data):
        if item.group != "clean":
            continue
        rows = rows_of(item.table)
        truth = truth_of(rows)
        if not len(truth.C):
            continue
        target, known = float(truth.C[-1]), float(truth.loss[-1])
        below = [b.C for b in rows.budgets if target / b.C > LEAST_DISTANCE]
        pool = rows.up_to(1.1 * below[-1])[["N", "D", "C", "loss"]]
        for level in below[LEAST - 1 :]:
            grid = rows.up_to(1.1 * level)[["N", "D", "C", "loss"]]
            whole = float(grid.C.sum())
            for part in ("plain", *PARTS):
                took = grid
                if part != "plain":
                    took = designed(pool, target, float(part) * whole, goal, 0)
                try:
                    loss, width, _ = read(took, forecaster, target, draws)
                except InputError:
                    loss = width = np.nan
                yield {
                    "table": item.name,
                    "distance": target / level,
                    "part": part,
                    "spent": took.C.sum() / whole,
                    "rows": len(took),
                    "width": width,
                    "error": abs(loss - known),
                }


def main(
    replications: Annotated[int, typer.Option(min=2, help="Of each truth.")] = 12,
    truth: Annotated[list[str] | None, typer.Option(help="Truths by name.")] = None,
    forecaster: Annotated[list[str] | None, typer.Option(help="Forecasters by name.")] = None,
    goal: Annotated[str, typer.Option(help="loss, n_opt or regret.")] = "loss",
    draws: Annotated[int, typer.Option(min=100, help="Draws of each forecast.")] = 200,
    data: Annotated[Path | None, typer.Option(help="Folder of the published tables.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count and print."""
    began = time.perf_counter()
    names, read_by = truth or list(TRUTHS), forecaster or ["chinchilla_tied"]
    asked = [(name, seed) for name in names for seed in range(replications)]
    with ProcessPoolExecutor(jobs) as pool:
        done = list(pool.map(partial(replicate, read_by, goal, draws), asked))
    found = ratios(pd.DataFrame([answer for part in done for answer in part]))
    print(found.to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    print(found.groupby(["forecaster", "truth"], sort=False).ratio.median().to_string())
    print(found.groupby("forecaster").ratio.median(), f"{time.perf_counter() - began:.0f} s")
    if data is not None:
        told = pd.DataFrame(on_tables(data, "isoflop", goal, draws))
        print(told.to_string(index=False, float_format=lambda v: f"{v:.3g}"))


if __name__ == "__main__":
    typer.run(main)
