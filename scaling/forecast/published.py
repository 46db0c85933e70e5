"""Forecasts without data: a law at the parameters that a paper printed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling import laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import Draws, Optimum, of_n_and_d, optimum_of
from scaling.laws.law import Law, Published

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PublishedLaw:
    """Published parameters as a predictor: a point without draws, and no runs behind it.

    C is 6ND, with N counted as the paper counts it (`published.n_kind`). own: the law, for one that
    is not in the registry.
    """

    published: Published
    own: Law | None = None
    cost: Cost = field(default_factory=Cost)
    c_min: float = 0.0
    c_max: float = 0.0

    @property
    def law(self) -> Law:
        return self.own or laws.get(self.published.law)

    @property
    def n_column(self) -> str:
        return "N_total" if self.published.n_kind == "total" else "N"

    @property
    def params(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.published.params.items()}

    def params_draws(self) -> dict[str, Array]:
        """No draws of each: papers print none."""
        return {name: np.empty(0) for name in self.published.params}

    def loss(
        self,
        N: ArrayLike,
        D: ArrayLike,
        *,
        noise: bool = False,
        held: Mapping[str, ArrayLike] | None = None,
    ) -> Draws:
        """Loss in nats at N, D [...]. Papers print no residuals: `noise` adds nothing.

        held: values of the law's further variables. Raises InputError for a law that needs more.
        """
        point = self.law.predict(**of_n_and_d(self.law, N, D, held), **self.params)
        return _point(np.asarray(point, dtype=float))

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]."""
        return optimum_of(self.law, self.params, self.params_draws(), C, self.cost)

    def __str__(self) -> str:
        item = self.published
        values = ", ".join(f"{name} {value:.6g}" for name, value in item.params.items())
        note = f" ({item.note})" if item.note else ""
        return f"law {self.law.name} with {values}: {item.reference}{note}"


def _point(value: Array) -> Draws:
    return Draws(value, np.empty((0, *value.shape)))


def published_law(name: str) -> PublishedLaw:
    """The predictor of that name. Raises InputError with the nearest names for any other."""
    if name in laws.published:
        return PublishedLaw(laws.published[name])
    near = [item.name for item in laws.published.values() if item.law == name]
    near = near or difflib.get_close_matches(name.lower(), laws.published, n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise InputError(f"{name}: neither a file nor published parameters{hint}")
