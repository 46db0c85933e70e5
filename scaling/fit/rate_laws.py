"""Laws of the best learning rate and batch through the optima of sweeps, each weighed by its error.

All of them are power laws: Step Law and Bjorck (rate by N and D), DeepSeek (rate and batch by C),
and the rate at a given batch, which every batch of a sweep tells of.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling import laws as registry
from scaling.errors import InputError
from scaling.fit.fitting import fit
from scaling.fit.objective import squared
from scaling.fit.optima import Best, Optima
from scaling.fit.result import Fit
from scaling.fit.sweeps import Array
from scaling.laws.hyperparameters import SAVED
from scaling.laws.law import Law

LAWS = (
    "lr_at_batch",
    "lr_of_size_and_tokens",
    "lr_of_compute",
    "lr_of_tokens",
    "batch_of_tokens",
    "batch_of_compute",
)


@dataclass(frozen=True, eq=False)
class RateLaws:
    """The laws that the optima allow, and why not the others: first those of the rate, then those
    of the batch, by how little optima scatter about them. A grid uses the first."""

    fits: tuple[Fit, ...]
    refused: tuple[str, ...]

    def to_json(self, found: Optima) -> str:
        """What `rate_law = "FILE"` of a grid reads: the fits, and how their runs were trained."""
        return json.dumps(
            {
                "format": SAVED,
                "transfer": found.sweeps.transfer,
                "fits": [item.to_dict() for item in self.fits],
            },
            allow_nan=False,
        )


def rate_laws(found: Optima, *, N: str = "N", names: Sequence[str] = LAWS) -> RateLaws:
    """Fit each law by least squares of logs, weighed by the optima's standard errors.

    Its draws carry those of the optima through the fit; where the optima scatter about the law by
    more than their errors say, by as much more (Birge 1932). Optima of which only a bound is known
    are left out. Raises InputError for a law that is of neither rates nor batches.
    """
    fits, refused = [], []
    for law in map(_known, names):
        rows, best = found.at_batches() if "B" in law.variables else found.best(law.response)
        told = (
            f"{law.name}: needs {len(law.params)} optima that differ in {', '.join(law.variables)}"
        )
        several = [len(rows) and _distinct(rows[_column(v, N)]) > 1 for v in law.variables]
        if len(rows) < len(law.params) or not all(several):
            refused.append(f"{told}; of {law.response} {len(rows)} are known")
            continue
        fits.append(_fit(law, rows, best, N))
    order = sorted(fits, key=lambda item: (item.law.response != "learning_rate", _scatter(item)))
    return RateLaws(tuple(order), tuple(refused))


def _distinct(values: pd.Series) -> int:
    """How many values differ by more than one per cent."""
    return len(np.unique(np.round(np.log(values.to_numpy(dtype=float)), 2)))


def _known(name: str) -> Law:
    law = registry.get(name)
    if law.response not in ("learning_rate", "batch_tokens"):
        raise InputError(
            f"law {name} is of {law.response}, not of learning rates or batches; "
            f"valid: {', '.join(LAWS)}"
        )
    return law


def _column(variable: str, N: str) -> str:
    return N if variable == "N" else variable


def _scatter(item: Fit) -> float:
    """Residual variance for each degree of freedom, but for rounding; none left says nothing."""
    spare = item.n_rows - len(item.params)
    return round(2 * item.value / spare, 12) if spare > 0 else float("inf")


def _fit(law: Law, rows: pd.DataFrame, best: Sequence[Best], N: str) -> Fit:
    """The weighted fit, with draws that follow from those of the optima.

    Power laws are straight in logs: an optimum that moves by d moves the parameters by a fixed
    matrix times d.
    """
    weight = f"{law.response}_se"
    exact = not rows[weight].gt(0).all()  # a table without noise: all weigh the same
    fitted = fit(law, rows, objective=squared(), N=N, weight=None if exact else weight, draws=0)
    moved = np.stack([b.log.draws - b.log.point for b in best], axis=1)
    se = np.ones(len(rows)) if exact else rows[weight].to_numpy() / rows[law.response].to_numpy()
    x = np.log(rows[[_column(v, N) for v in law.variables]].to_numpy(dtype=float))
    design = np.column_stack([np.ones(len(x)), x])
    residual = np.log(rows[law.response].to_numpy()) - np.log(
        fitted.predict(**dict(zip(law.variables, np.exp(x).T, strict=True)))
    )
    spare = len(rows) - design.shape[1]
    if spare > 0 and not exact:
        moved = moved * _stretch(
            float(((residual / se) ** 2).sum()), spare, len(moved), fitted.seed
        )
    step = (moved / se) @ np.linalg.pinv(design / se[:, None]).T
    point = np.array(list(fitted.params.values()))
    draws = np.column_stack([point[0] * np.exp(step[:, 0]), point[1:] + step[:, 1:]])
    status = f"{fitted.status}; draws follow from those of the optima"
    if not spare:
        status += "; warning: as many optima as parameters: nothing checks the law"
    return replace(fitted, draws=draws, kind="laplace", status=status)


def _stretch(chi2: float, spare: int, draws: int, seed: int) -> Array:
    """What draws are multiplied by, [draws, 1]: 1 where the scatter is as errors say."""
    ratio = np.sqrt(chi2 / spare)
    if ratio <= 1:
        return np.ones((draws, 1))
    heavy = np.random.default_rng([seed, 2]).chisquare(spare, size=(draws, 1))
    return np.asarray(np.maximum(ratio * np.sqrt(spare / heavy), 1.0))
