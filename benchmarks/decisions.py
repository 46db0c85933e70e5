"""Whether decisions are told honestly: expected regret against the regret that comes out, and the
chance that a recipe wins against how often it does, on simulated tables of known laws.

    python benchmarks/decisions.py [--tables 40] [--draws 400]

Tables are those of docs/coverage.md (`scaling.forecast.truths`): 56 runs each as isoFLOP profiles
or a free grid, .5 % noise.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from scaling.errors import InputError
from scaling.forecast.at_budget import AtBudget
from scaling.forecast.coverage import CALIBRATED, DEFAULT, OWN, maker
from scaling.forecast.forecasters import get
from scaling.forecast.regret import OPTIMUM, decide
from scaling.forecast.truths import C_MAX, DESIGNS, TRUTHS, Case

NOISE = 0.005
DISTANCES = (1.0, 10.0, 100.0)


def regrets(tables: int, draws: int) -> None:
    """Of N_opt and of the best choice: told and come out, in per cent of C."""
    print("expected regret of N_opt, % of C: told / came out / ratio; and of the best choice")
    found: dict[tuple[str, str, float], list[tuple[float, ...]]] = defaultdict(list)
    for law in TRUTHS:
        for design in DESIGNS:
            for i in range(tables):
                case = Case(law, design, NOISE, i, seed=9)
                for name in (OWN, CALIBRATED + OWN, CALIBRATED + DEFAULT):
                    plain = name.replace(OWN, law)
                    make = get(law).make if name == OWN else maker(plain)
                    try:
                        predictor = make(case.table, N="N", draws=draws, seed=i)
                    except InputError as error:
                        print(f"refused: {error}")
                        continue
                    for distance in DISTANCES:
                        C = C_MAX * distance
                        told = decide(predictor, C)
                        own, best = told.choices[OPTIMUM], told.best
                        came = AtBudget(case.truth, C).wasted([own.N, best.N])[0]
                        found[name, design, distance].append(
                            (own.share, came[0], best.share, came[1], own.q05 <= came[0] <= own.q95)
                        )
    for (name, design, distance), rows in sorted(found.items()):
        own, came, best, best_came, held = 100 * np.mean(rows, axis=0)
        print(
            f"{name:<20} {design:<8} {distance:>4g}x  {own:6.2f} / {came:6.2f} / {own / came:4.2f}"
            f"   best {best:6.2f} / {best_came:6.2f} / {best / best_came:4.2f}   "
            f"90 % interval held {held:3.0f} %"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=40, help="of each law and design")
    parser.add_argument("--draws", type=int, default=400)
    asked = parser.parse_args()
    regrets(asked.tables, asked.draws)
