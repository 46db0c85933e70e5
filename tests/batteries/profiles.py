"""IsoFLOP tables of a known law."""

from __future__ import annotations

import numpy as np
import pandas as pd

TRUTH = {"E": 1.7, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}


def isoflop_table(
    budgets: int = 6, sizes: int = 7, noise: float = 0.002, seed: int = 0
) -> pd.DataFrame:
    """Budgets 3x apart from 1e18 FLOPs on, sizes around their optimum, by a known law."""
    C = np.repeat(1e18 * 3.0 ** np.arange(budgets), sizes)
    N = np.sqrt(C / 120) * np.tile(np.geomspace(0.25, 4, sizes), budgets)
    D = C / 6 / N
    t = TRUTH
    law = t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]
    error = np.random.default_rng(seed).normal(0, noise, len(C))
    return pd.DataFrame({"N": N, "D": D, "C": C, "loss": law * np.exp(error)})
