"""Learning-rate schedules: the loss at any step of a run, from the schedule up to it.

References: Tissue et al. 2024 (arXiv:2408.11029); Luo et al. 2025, multi-power law
(arXiv:2503.12811, and the released thu-yao-01-luo/MultiPowerLaw).

Tissue's law sees a schedule through two sums, S1 and S2, which `annealing` computes: with them as
columns it is a law like any other. The multi-power law sums over every earlier step with parameters
inside the sum, so that no column of a run table can hold what it needs: it is a function,
`multi_power`, and its published parameters are in `MULTI_POWER`, not in the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputError
from scaling.laws.law import Law, exponent, log, positive


def _annealed(S1: Any, S2: Any, *, L0: Any, A: Any, C: Any, alpha: Any) -> Any:
    return L0 + A / S1**alpha - C * S2


annealing_law = Law(
    name="annealing",
    formula="L0 + A/S1^alpha - C*S2",
    predict=_annealed,
    params={"L0": positive(), "A": log(), "C": positive(), "alpha": exponent()},
    variables=("S1", "S2"),
    linear=("L0", "A", "C"),
    reference="Tissue et al. 2024, arXiv:2408.11029",
    meaning={
        "S1": "sum of the learning rate over the steps so far",
        "S2": "annealing area: momentum of the falls of the learning rate, summed over the steps",
        "L0": "irreducible loss",
        "A": "amplitude of the term of S1",
        "alpha": "exponent of S1",
        "C": "what a unit of annealing takes off the loss",
    },
    zero=("S2",),
    ranges={"S1": (0.3, 30.0), "S2": (0.0, 0.4)},
)


def annealing(
    lr: ArrayLike, decay: float = 0.999
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """S1 and S2 after each step of a schedule, both [steps].

    lr [steps]: the learning rate of each step, from where the law is to count it. decay: lambda of
    the paper, how slowly a fall of the learning rate is forgotten. Raises InputError for
    a schedule that is no list of numbers of at least 0.
    """
    from scipy.signal import lfilter

    rate = _schedule(lr)
    falls = -np.diff(rate, prepend=rate[0])
    momentum = lfilter([1.0], [1.0, -decay], falls)
    return np.cumsum(rate), np.cumsum(momentum)


def multi_power(
    lr: ArrayLike,
    at: ArrayLike,
    *,
    L0: float,
    A: float,
    alpha: float,
    B: float,
    C: float,
    beta: float,
    gamma: float,
) -> NDArray[np.float64]:
    """Loss after the steps `at` [n], counted from 0, of the schedule lr [steps]: [n].

    L0 + A S1^-alpha + B sum_k (lr_k - lr_(k-1)) (1 - (1 + C lr_k^-gamma S_k)^-beta), the sum over
    the steps k up to that one, S_k the sum of lr from k to it. lr begins with the warmup, whose
    rise counts in the sum. Takes memory for one row of steps at a time. Raises InputError for a
    schedule or steps that make no sense.

    Source: Luo et al. 2025, arXiv:2503.12811, as the released code has it.
    """
    rate = _schedule(lr)
    steps = np.asarray(at)
    if steps.ndim != 1 or not np.issubdtype(steps.dtype, np.integer):
        raise InputError("steps to predict must be a list of whole numbers")
    if len(steps) and (steps.min() < 0 or steps.max() >= len(rate)):
        raise InputError(f"steps to predict must lie in 0 to {len(rate) - 1}, the schedule's")
    total = np.cumsum(rate)
    change = np.diff(rate, prepend=rate[0])
    moved = np.flatnonzero(change)
    with np.errstate(divide="ignore"):  # at a rate of 0 the bracket is 1
        scale = C * rate[moved] ** -gamma
    before = total[moved] - rate[moved]
    drop = np.empty(len(steps))
    for i, step in enumerate(steps):
        seen = slice(0, int(np.searchsorted(moved, step, side="right")))
        gone = 1 - (1 + scale[seen] * (total[step] - before[seen])) ** -beta
        drop[i] = (change[moved[seen]] * gone).sum()
    return np.asarray(L0 + A * total[steps] ** -alpha + B * drop)


def _schedule(lr: ArrayLike) -> NDArray[np.float64]:
    rate = np.asarray(lr, dtype=float)
    if rate.ndim != 1 or len(rate) == 0 or not (np.isfinite(rate).all() and (rate >= 0).all()):
        raise InputError("a schedule must be a list of learning rates of at least 0, one a step")
    return rate


def _printed(*values: float) -> Mapping[str, float]:
    return dict(zip(("L0", "A", "alpha", "B", "C", "beta", "gamma"), values, strict=True))


# Read in the released code, src/config.py, by millions of parameters. They are not the optimum of
# their own objective, but forecast held-out schedules better than it does.
MULTI_POWER: Mapping[int, Mapping[str, float]] = {
    25: _printed(
        3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257
    ),
    100: _printed(
        2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644
    ),
    400: _printed(
        2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493, 0.63472457
    ),
}
