"""What a table itself shows of its optima: N_opt at each budget, and what missing it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.fit.budgets import local_minimum
from scaling.forecast.rows import Rows

Array = NDArray[np.float64]

_WINDOW = np.log(6.0)  # sizes within 6x of the optimum tell the profiles' common shape
_STRAIGHT = 1.8  # e-folds of N from which on the shape goes on as a straight line
_MOST = 5.0  # e-folds of compute: an allocation that wastes more is worthless in any case


@dataclass(frozen=True, eq=False)
class Truth:
    """The optima that budgets show by themselves, one entry [k] for each that shows one.

    C: the budget. n, n_se: ln N_opt, by a local polynomial, and its standard error. loss: ln of the
    lowest loss. slope: -d ln loss / d ln C along these. shape: (q2, q3) of ln loss - lowest =
    q2 x^2 + q3 x^3, x = ln N - n, common to all budgets.
    """

    C: Array
    n: Array
    n_se: Array
    loss: Array
    slope: Array
    shape: tuple[float, float]

    def table(self) -> pd.DataFrame:
        """C, n_true, n_true_se and loss_true (in nats) of each budget."""
        columns = {"C": self.C, "n_true": self.n, "n_true_se": self.n_se}
        return pd.DataFrame({**columns, "loss_true": np.exp(self.loss)})

    def waste(self, i: int, n: float) -> float:
        """More compute, in %, that training e^n parameters at budget i needs than N_opt does."""
        q2, q3 = self.shape
        x = n - self.n[i]
        z = np.clip(x, -_STRAIGHT, _STRAIGHT)
        excess = q2 * z**2 + q3 * z**3 + (2 * q2 * z + 3 * q3 * z**2) * (x - z)
        return float(100 * np.expm1(np.clip(excess / self.slope[i], 0.0, _MOST)))


def truth_of(rows: Rows) -> Truth:
    """The optima of the budgets whose minimum is known; none in a table without budgets."""
    found = []
    for budget in rows.budgets:
        at = local_minimum(np.log(rows.N[budget.rows]), rows.loss[budget.rows])
        if at.known:
            found.append((budget, at))
    C = np.array([budget.C for budget, _ in found])
    n, n_se, loss = (
        np.array([getattr(at, name) for _, at in found], dtype=float)
        for name in ("n", "n_se", "loss")
    )
    if len(found) < 2:
        return Truth(C, n, n_se, loss, np.full(len(C), np.nan), (0.0, 0.0))
    x = np.concatenate([np.log(rows.N[b.rows]) - at.n for b, at in found])
    y = np.concatenate([np.log(rows.loss[b.rows]) - at.loss for b, at in found])
    inside = np.abs(x) <= _WINDOW
    design = np.stack([x**2, x**3], axis=1)[inside]
    q2, q3 = np.linalg.lstsq(design, y[inside], rcond=None)[0]
    frontier = np.polynomial.Polynomial.fit(np.log(C), loss, 2 if len(C) >= 4 else 1)
    slope = np.maximum(-frontier.deriv()(np.log(C)), 1e-3)
    return Truth(C, n, n_se, loss, slope, (float(q2), float(q3)))
