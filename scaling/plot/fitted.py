"""What a figure needs to know of a fitted law: a `Fit`, or a pool of them, answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast import Predictor
from scaling.laws.law import Law
from scaling.plot.words import compute_column
from scaling.units import UNSTATED

Array = NDArray[np.float64]


class Fitted(Predictor, Protocol):
    """A predictor that also shows its law and the points that it was fitted to."""

    @property
    def law(self) -> Law: ...
    @property
    def points(self) -> Mapping[str, Array]: ...
    @property
    def conventions(self) -> Mapping[str, str]: ...


def rows(fit: Fitted) -> tuple[Array, Array, Array, Array]:
    """N, D, C (in the fit's own convention) and loss of the fitted rows.

    Raises InputError for a law without N or D, which these figures cannot show.
    """
    for name in ("N", "D"):
        if name not in fit.law.variables:
            raise InputError(f"law {fit.law.name} has no {name}; this figure needs N and D")
    N, D = fit.points["N"], fit.points["D"]
    return N, D, fit.cost.flops_per_token(N) * D, fit.points["loss"]


def compute_name(fit: Fitted) -> str:
    """The column that the fit's compute is called after: C or C_6ND."""
    return compute_column(fit.cost.kind)


def loss_kind(fit: Fitted) -> str:
    return fit.conventions.get("L_kind", UNSTATED)


def d_kind(fit: Fitted) -> str:
    """What D counts: images, pairs, or tokens."""
    return fit.conventions.get("D_kind", UNSTATED)
