"""Tables of two recipes whose runs share what a seed does to both."""

from __future__ import annotations

import numpy as np
import pandas as pd

ONE = {"E": 1.7, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37}


def loss_of(law: dict[str, float], N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return np.asarray(law["E"] + law["A"] * N ** -law["alpha"] + law["B"] * D ** -law["beta"])


def frontier_of(law: dict[str, float], C: float) -> float:
    """The least loss at C = 6 N D: Hoffmann et al. 2022, eq. 4."""
    total = law["alpha"] + law["beta"]
    G = (law["alpha"] * law["A"] / (law["beta"] * law["B"])) ** (1 / total)
    N = G * (C / 6) ** (law["beta"] / total)
    return float(loss_of(law, N, C / 6 / N))


def duel_table(
    other: dict[str, float],
    *,
    shared: float,
    own: float,
    seed: int = 0,
    seeds: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 1), (0, 1)),
) -> pd.DataFrame:
    """Recipes "one" and "two" on a grid of 5 sizes and 5 lengths. shared, own: standard deviations
    of ln loss, of the part that runs of one seed, N and D have in common, and of the rest."""
    rng = np.random.default_rng(seed)
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 1e9, 5), np.geomspace(4e8, 2e10, 5)))
    common = {number: shared * rng.normal(size=len(N)) for number in {*seeds[0], *seeds[1]}}
    parts = []
    for recipe, law, numbers in (("one", ONE, seeds[0]), ("two", other, seeds[1])):
        for number in numbers:
            noise = common[number] + own * rng.normal(size=len(N))
            loss = loss_of(law, N, D) * np.exp(noise)
            row = {"recipe_name": recipe, "N": N, "D": D, "loss": loss, "seed": number}
            parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)
