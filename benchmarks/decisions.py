"""Whether decisions are told honestly: the regret expected of N_opt against what comes out, and the
chance that a recipe wins against how often it does.

    python benchmarks/decisions.py [--part simulated|wins|published] [--data ../shared/data]

simulated: tables of known laws, those of docs/coverage.md (56 runs as isoFLOP profiles or a free
grid, .5 % noise). wins: pairs of recipes of known laws, with seeds in common and without.
published: isoFLOP tables, at every admissible cut, against the optima of their larger budgets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.random import Generator
from rollout import KNOWN, experiments

from scaling import laws
from scaling.errors import InputError
from scaling.forecast.at_budget import AtBudget
from scaling.forecast.coverage import CALIBRATED, DEFAULT, OWN, maker
from scaling.forecast.forecasters import get
from scaling.forecast.groups import fit_by
from scaling.forecast.published import PublishedLaw
from scaling.forecast.regret import OPTIMUM, decide
from scaling.forecast.rollout import LEAST_DISTANCE, cuts_of
from scaling.forecast.rows import rows_of
from scaling.forecast.truth import truth_of
from scaling.forecast.truths import C_MAX, DESIGNS, TRUTHS, Case
from scaling.forecast.versus import at_compute
from scaling.laws.law import Published

NOISE = 0.005
DISTANCES = (1.0, 10.0, 100.0)
METHODS = ("isoflop", "approach_2", "chinchilla_near", "chinchilla")
SHARED, APART = (
    0.004,
    0.002,
)  # of ln loss: noise that runs of one seed have in common, and their own
RECIPES = {"A": 0.03, "B": 0.03, "E": 0.003}  # sd of the log of each, from recipe to recipe
CHANCES = (0.5, 0.7, 0.9, 0.99, 1.0001)
BASE = laws.published["besiroglu2024"].params


def simulated(tables: int, draws: int) -> None:
    """Of N_opt, and of the N that is expected to waste least: told, come out, in % of C."""
    found = defaultdict(list)
    for law in TRUTHS:
        for design in DESIGNS:
            for i in range(tables):
                case = Case(law, design, NOISE, i, seed=9)
                for name in (OWN, CALIBRATED + OWN, CALIBRATED + DEFAULT):
                    make = get(law).make if name == OWN else maker(name.replace(OWN, law))
                    predictor = make(case.table, N="N", draws=draws, seed=i)
                    for distance in DISTANCES:
                        C = C_MAX * distance
                        told = decide(predictor, C)
                        own, best = told.choices[OPTIMUM], told.best
                        came = AtBudget(case.truth, C).wasted([own.N, best.N])[0]
                        held = own.q05 <= came[0] <= own.q95
                        found[name, design, distance].append(
                            (own.share, came[0], best.share, came[1], held)
                        )
    print("| forecaster | design | beyond | N_opt: told | came out | ratio | best: told | "
          "came out | 90 % intervals held |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, design, distance), rows in sorted(found.items()):
        own, came, best, best_came, held = 100 * np.mean(rows, axis=0)
        print(f"| {name} | {design} | {distance:g}x | {own:.2f} | {came:.2f} | {own / came:.2f} | "
              f"{best:.2f} | {best_came:.2f} | {held:.0f} % |")  # fmt: skip


def published(data: Path, draws: int) -> None:
    """The same of calibrated forecasters on published tables, whose later budgets are the truth."""
    found = defaultdict(list)
    for item in experiments(data):
        rows = rows_of(item.table)
        truth = truth_of(rows)
        for cut in cuts_of(rows):
            later = np.flatnonzero((LEAST_DISTANCE * cut <= truth.C) & (truth.n_se < KNOWN))
            for name in METHODS if len(later) else ():
                try:
                    predictor = maker(CALIBRATED + name)(rows.up_to(cut), draws=draws)
                except InputError:
                    continue  # too few budgets below this cut for the method
                for i in later:
                    told = decide(predictor, float(truth.C[i]))
                    own = told.choices[OPTIMUM]
                    more = truth.waste(i, float(np.log(own.N))) / 100
                    came = more / (1 + more)
                    found[item.group, name].append((own.share, came, own.q05 <= came <= own.q95))
    print(
        "| tables | forecaster | budgets | N_opt: told | came out | ratio | 90 % intervals held |"
    )
    print("|---|---|---|---|---|---|---|")
    for (group, name), cells in sorted(found.items()):
        own, came, held = 100 * np.mean(cells, axis=0)
        print(f"| {group} | {name} | {len(cells)} | {own:.2f} | {came:.2f} | {own / came:.2f} | "
              f"{held:.0f} % |")  # fmt: skip


def duels(tables: int, seed: int) -> Iterator[tuple[dict[str, PublishedLaw], pd.DataFrame, bool]]:
    """Two recipes by laws of their own, their runs on one grid, and whether seeds are common."""
    generator = np.random.default_rng(seed)
    for i in range(tables):
        truths = {name: _recipe(generator) for name in ("one", "two")}
        common = i % 2 == 0
        N, D = (
            v.ravel() for v in np.meshgrid(np.geomspace(2e7, 1e9, 5), np.geomspace(4e8, 2e10, 5))
        )
        parts = []
        shared = SHARED * generator.normal(size=(4, len(N)))
        for number, (name, truth) in enumerate(truths.items()):
            for run in range(2):
                of = run if common else 2 * number + run
                noise = shared[of] + APART * generator.normal(size=len(N))
                loss = truth.loss(N, D).point * np.exp(noise)
                columns = {"recipe_name": name, "N": N, "D": D, "loss": loss, "seed": of}
                parts.append(pd.DataFrame(columns))
        yield truths, pd.concat(parts, ignore_index=True), common


def _recipe(generator: Generator) -> PublishedLaw:
    moved = {key: BASE[key] * np.exp(sd * generator.normal()) for key, sd in RECIPES.items()}
    return PublishedLaw(Published("recipe", "chinchilla", {**BASE, **moved}, "here", "here"))


def wins(tables: int, draws: int) -> None:
    """How often the recipe that is said to win does, by the chance told; and how wide the gap's
    interval is and how often it holds."""
    found: dict[tuple[bool, bool], list[tuple[float, bool, float, bool]]] = defaultdict(list)
    for number, (truths, table, common) in enumerate(duels(tables, seed=11)):
        for pair in (True, False) if common else (True,):
            groups = fit_by("chinchilla", table, "recipe_name", draws=draws, seed=number, pair=pair)
            for told in at_compute(groups, [1.2e21, 1.2e22]):
                loss = {k: float(v.optimum(told.C).loss.point) for k, v in truths.items()}
                gap = loss[told.behind] - loss[told.ahead]
                held = told.lower.q05 <= gap <= told.lower.q95
                width = told.lower.q95 - told.lower.q05
                found[common, pair].append((told.chance, gap > 0, width, held))
    print("| seeds | drawn | chance told | pairs | mean chance | won |")
    print("|---|---|---|---|---|---|")
    for (common, pair), rows in sorted(found.items(), reverse=True):
        chance, won, _, _ = np.array(rows).T
        seeds = "common" if common else "not"
        drawn = "in pairs" if common and pair else "alone"
        for low, high in pairwise(CHANCES):
            own = (low <= chance) & (chance < high)
            if own.any():
                print(f"| {seeds} | {drawn} | {low:g} to {min(high, 1):g} | {own.sum()} | "
                      f"{chance[own].mean():.3f} | {won[own].mean():.3f} |")  # fmt: skip
    print("\n| seeds | drawn | width of the gap's 90 % interval | held | mean chance | won |")
    print("|---|---|---|---|---|---|")
    for (common, pair), rows in sorted(found.items(), reverse=True):
        chance, won, width, held = np.mean(rows, axis=0)
        seeds = "common" if common else "not"
        drawn = "in pairs" if common and pair else "alone"
        print(f"| {seeds} | {drawn} | {width:.4f} | {held:.0%} | {chance:.3f} | {won:.3f} |")


def main(
    part: Annotated[str, typer.Option(help="simulated, wins or published; else all.")] = "all",
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    tables: Annotated[int, typer.Option(help="Simulated tables of each law and design.")] = 10,
    pairs: Annotated[int, typer.Option(help="Simulated pairs of recipes.")] = 200,
    draws: int = 300,
) -> None:
    """Print the tables of docs/decisions.md."""
    if part in ("simulated", "all"):
        simulated(tables, draws)
    if part in ("wins", "all"):
        wins(pairs, draws)
    if part in ("published", "all"):
        published(data, draws)


if __name__ == "__main__":
    typer.run(main)
