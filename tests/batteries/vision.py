"""Run tables of several model families whose laws, and so their crossings, are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

EPOCHS = 10


@dataclass(frozen=True)
class Truth:
    """A family's law of loss (E, A, alpha, B, beta), and FLOPs over 6 N D (constant, so that its
    frontier is exact)."""

    E: float
    A: float
    alpha: float
    B: float
    beta: float
    flops: float

    def loss(self, N: np.ndarray, D: np.ndarray) -> np.ndarray:
        return np.asarray(self.E + self.A * N**-self.alpha + self.B * D**-self.beta)

    def frontier(self, C: np.ndarray) -> np.ndarray:
        """The least loss at each C: Hoffmann et al. 2022, eq. 4, at the budget C / flops."""
        G = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        budget = np.asarray(C) / (6 * self.flops)
        N = G * budget ** (self.beta / (self.alpha + self.beta))
        return self.loss(N, budget / N)


# resnet starts behind cnn (its images cost more) and passes below it; mlp is behind both.
TRUTHS = {
    "mlp": Truth(0.32, 6.0, 0.30, 30.0, 0.40, 1.0),
    "cnn": Truth(0.25, 12.0, 0.40, 22.0, 0.40, 3.0),
    "resnet": Truth(0.15, 12.0, 0.40, 35.0, 0.40, 4.0),
}


def crossing(one: Truth, other: Truth, low: float, high: float) -> float:
    """The C in [low, high] at which their frontiers cross, once."""
    C = np.geomspace(low, high, 200_001)
    ahead = np.flatnonzero(np.diff(np.sign(one.frontier(C) - other.frontier(C))))
    assert len(ahead) == 1
    return float(C[ahead[0]])


def vision_table(
    truths: dict[str, Truth] = TRUTHS, *, noise: float = 0.004, seed: int = 0, sizes: int = 5
) -> pd.DataFrame:
    """A ladder of sizes on data sets of five sizes for each family, two seeds each; D = epochs x
    D_unique. `noise` is the standard deviation of ln loss."""
    rng = np.random.default_rng(seed)
    rows = []
    for family, truth in truths.items():
        for N in np.geomspace(3e3, 1e6, sizes).round():
            for D_unique in np.geomspace(600, 54_000, 5).round():
                for run in range(2):
                    D = EPOCHS * D_unique
                    loss = float(truth.loss(N, D) * np.exp(noise * rng.normal()))
                    error = 0.3 * loss * np.exp(noise * rng.normal())
                    rows.append(
                        {
                            "run": f"{family}-{N:.0f}-{D_unique:.0f}-{run}",
                            "family": family,
                            "N": N,
                            "N_total": N,
                            "N_active": N,
                            "D": D,
                            "D_unique": D_unique,
                            "C": 6 * truth.flops * N * D,
                            "C_6ND": 6 * N * D,
                            "loss": loss,
                            "loss_se": 0.002,
                            "train_loss": loss * 0.9,
                            "top1_error": error,
                            "top5_error": error / 10,
                            "recall_at_1": 1 - error,
                            "seed": run,
                            "status": "finished",
                            "role": "pilot",
                        }
                    )
    kinds = {
        "N_kind": "non_embedding",
        "C_kind": "counted",
        "D_kind": "images",
        "L_kind": "nats_per_image",
    }
    return pd.DataFrame(rows).assign(**kinds)
