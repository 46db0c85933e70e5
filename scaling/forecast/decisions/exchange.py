"""What a difference of loss is worth in compute, by the slope of each draw's own frontier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS = np.array([1.0, 0.5, 0.25])  # of C: budgets that show a frontier's slope and its bend
_FLAT = 1e-12  # of the loss: a frontier that falls by less between two budgets is rounding
_STRAIGHT = 1e-6  # how close to 1 the ratio of two falls may be before it is taken as 1


@dataclass(frozen=True, eq=False)
class Exchange:
    """The least loss of each draw at C, at C / 2 and at C / 4: each [draws, 1].

    Through the three goes one curve E + k C^-g, which is the frontier itself wherever that is a
    power law above a floor: in the laws of Hoffmann, Kaplan, Muennighoff, Gadre and Busbridge
    under C = 6ND. Elsewhere (counted costs, the isoFLOP model) it is an interpolation.
    """

    here: Array
    half: Array
    quarter: Array

    @classmethod
    def of(cls, losses: Array) -> Exchange:
        """From the least losses at `STEPS` of C: [draws, 3]."""
        return cls(*(losses[:, i : i + 1] for i in range(3)))

    def e_folds(self, loss: Array) -> Array:
        """ln(C / C') for the C' whose best loss is `loss` [draws, k]: above 0 where less compute
        would do. -inf where no compute reaches it, inf where any does."""
        first, second = self.half - self.here, self.quarter - self.half
        flat = first <= _FLAT * self.here
        rises = np.where(flat, 1.0, first)
        ratio = np.maximum(second / rises, _STRAIGHT)
        steps = (loss - self.here) / rises
        with np.errstate(divide="ignore", invalid="ignore"):
            bent = np.log(np.maximum(1 + steps * (ratio - 1), 0.0)) / np.log(ratio)
        found = np.where(np.abs(ratio - 1) < _STRAIGHT, steps, bent)
        away = np.where(loss > self.here, np.inf, np.where(loss < self.here, -np.inf, 0.0))
        return np.asarray(np.log(2.0) * np.where(flat, away, found))
