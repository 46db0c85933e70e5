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
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.random import Generator
from rollout import KNOWN, experiments

from scaling import laws
from scaling.errors import InputError
from scaling.forecast.decisions.at_budget import AtBudget
from scaling.forecast.decisions.groups import fit_by
from scaling.forecast.decisions.regret import OPTIMUM, decide
from scaling.forecast.decisions.versus import at_compute
from scaling.forecast.forecasters import get
from scaling.forecast.published import PublishedLaw
from scaling.forecast.rollouts.coverage import CALIBRATED, DEFAULT, OWN, maker
from scaling.forecast.rollouts.rollout import LEAST_DISTANCE, cuts_of
from scaling.forecast.rollouts.truth import truth_of
from scaling.forecast.rollouts.truths import C_MAX, DESIGNS, TRUTHS, Case
from scaling.forecast.rows import rows_of
from scaling.laws.law import Published

NOISE = 0.005
DISTANCES = (1.0, 10.0, 100.0)
METHODS = ("isoflop", "approach_2", "chinchilla_near", "chinchilla")
SHARED, APART = (
    0.004,
    0.002,
)  # of ln loss: noise that runs of one seed have in common, and their own
RECIPES = {"A": 0.03, "B": 0.03, "E": 0.003}  # sd of the log of each, from recipe to recipe,
TIMES = (1, 4)  # so many times: gaps smaller than what the runs leave open, and larger
CHANCES = (0.5, 0.7, 0.9, 0.99, 1.0001)
BASE = laws.published["besiroglu2024"].params


def simulated(tables: int, draws: int) -> None:
    """Of N_opt, and of the N that is expected to waste least: told, come out, in % of C."""
    found = defaultdict(list)
    for law, design, i in product(TRUTHS, DESIGNS, range(tables)):
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
                row = (own.share, came[0], best.share, came[1], held)
                found[name, design, distance, law].append(row)
    print("| forecaster | design | beyond | N_opt: told | came out | ratio | over laws | "
          "best: told | came out | 90 % intervals held |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for key in sorted({key[:3] for key in found}):
        of_laws = np.array([np.mean(found[(*key, law)], axis=0) for law in TRUTHS])
        ratios = of_laws[:, 0] / of_laws[:, 1]
        own, came, best, best_came, held = 100 * of_laws.mean(axis=0)
        print(f"| {key[0]} | {key[1]} | {key[2]:g}x | {own:.2f} | {came:.2f} | {own / came:.2f} | "
              f"{ratios.min():.2g} to {ratios.max():.2g} | {best:.2f} | {best_came:.2f} | "
              f"{held:.0f} % |")  # fmt: skip


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


def duels(
    tables: int, times: float
) -> Iterator[tuple[dict[str, PublishedLaw], pd.DataFrame, bool]]:
    """Two recipes by laws of their own, their runs on one grid, and whether seeds are common."""
    generator = np.random.default_rng(11)
    for i in range(tables):
        truths = {name: _recipe(generator, times) for name in ("one", "two")}
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


def _recipe(generator: Generator, times: float) -> PublishedLaw:
    moved = {k: BASE[k] * np.exp(times * sd * generator.normal()) for k, sd in RECIPES.items()}
    return PublishedLaw(Published("recipe", "chinchilla", {**BASE, **moved}, "here", "here"))


def wins(tables: int, draws: int) -> None:
    """How often the recipe that is said to win does, by the chance told; and how wide the gap's
    interval is and how often it holds."""
    found: dict[tuple[int, str], list[tuple[float, ...]]] = defaultdict(list)
    for times in TIMES:
        for number, (truths, table, common) in enumerate(duels(tables, times)):
            for drawn in ("in pairs", "alone") if common else ("no common seeds",):
                pair = drawn != "alone"
                groups = fit_by(
                    "chinchilla", table, "recipe_name", draws=draws, seed=number, pair=pair
                )
                for told in at_compute(groups, [1.2e21, 1.2e22]):
                    loss = {k: float(v.optimum(told.C).loss.point) for k, v in truths.items()}
                    gap = loss[told.behind] - loss[told.ahead]
                    low, high = told.lower.q05, told.lower.q95
                    found[times, drawn].append(
                        (told.chance, gap > 0, high - low, low <= gap <= high, abs(gap))
                    )
    print("| gap, nats | drawn | 90 % interval: width | held | chance told | won | "
          + " | ".join(f"{low:g} to {min(high, 1):g}" for low, high in pairwise(CHANCES))
          + " |\n|" + "---|" * (5 + len(CHANCES)))  # fmt: skip
    for (_, drawn), rows in found.items():
        chance, won, width, held, gap = np.array(rows).T
        parts = []
        for low, high in pairwise(CHANCES):
            own = (low <= chance) & (chance < high)
            parts.append(
                f"{chance[own].mean():.3f}: {won[own].mean():.3f} of {own.sum()}" if own.any()
                else "-"
            )  # fmt: skip
        print(f"| {gap.mean():.3f} | {drawn} | {width.mean():.3f} | {held.mean():.0%} | "
              f"{chance.mean():.3f} | {won.mean():.3f} | {' | '.join(parts)} |")  # fmt: skip


def main(
    part: Annotated[str, typer.Option(help="simulated, wins or published; else all.")] = "all",
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    tables: Annotated[int, typer.Option(help="Simulated tables of each law and design.")] = 10,
    pairs: Annotated[int, typer.Option(help="Simulated pairs of recipes.")] = 400,
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
