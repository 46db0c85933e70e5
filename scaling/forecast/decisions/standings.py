"""Which group is best at a given compute, and in how many draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.errors import InputError
from scaling.forecast.decisions.groups import Groups, interval_of, paired
from scaling.forecast.interval import Interval


@dataclass(frozen=True)
class Standing:
    """One group at one C: its compute-optimal run, and the share of draws in which it is best."""

    group: str
    C: float
    N: Interval
    D: Interval
    loss: Interval
    best: float
    decades: float


def standings(found: Groups, compute: Sequence[float]) -> list[Standing]:
    """Every group at each C: what it would train and reach, and how often it is the best."""
    for C in compute:
        if not (np.isfinite(C) and C > 0):
            raise InputError(f"compute = {C:g}; must be a finite number of FLOPs above 0")
    fits = paired(found)
    told = []
    for C in compute:
        best = {name: fitted.optimum(C) for name, fitted in fits.items()}
        losses = np.array([b.loss.draws for b in best.values()])
        first = losses == losses.min(axis=0)  # [groups, draws]; equals share a draw
        share = (first / first.sum(axis=0)).mean(axis=1)
        for number, (name, b) in enumerate(best.items()):
            told.append(
                Standing(
                    name,
                    C,
                    interval_of(b.N),
                    interval_of(b.D),
                    interval_of(b.loss),
                    best=float(share[number]),
                    decades=float(np.log10(C / fits[name].c_max)),
                )
            )
    return told
