"""Synthetic truth: laws at stated parameters, designs of runs on them, and noise.

What a forecast from a table should have said is known exactly here, so intervals can be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.random import Generator

from scaling import laws
from scaling.cost import c_6nd
from scaling.errors import InputError
from scaling.fit.prediction import Array
from scaling.forecast.published import PublishedLaw
from scaling.laws.law import Published

C_MAX = 3e20  # FLOPs of the largest budget
_BUDGETS = np.geomspace(C_MAX / 100, C_MAX, 7)
_SIZES = np.geomspace(1 / 4, 4, 8)  # of a profile, by the size that it is laid around
_OFF_CENTRE = 0.2  # standard deviation of ln(that size / N_opt): nobody knows the optimum before
_N = np.geomspace(4e7, 1.6e9, 7)
_D = np.geomspace(8e8, 3.2e10, 8)

_SHARP = Published(
    name="pnorm_sharp",
    law="pnorm",
    params={**laws.published["besiroglu2024"].params, "k": 2.0},
    reference="stated here: besiroglu2024 with a sharper corner",
    read="stated here",
)
# By the law that they are of: the parameters that a paper printed, or that are stated here.
TRUTHS: Mapping[str, PublishedLaw] = {
    item.law: PublishedLaw(item)
    for item in (
        *(
            laws.published[name]
            for name in (
                "besiroglu2024",
                "muennighoff2023_tied",
                "gadre2024_c4",
                "kaplan2020",
                "pearce2024",
            )
        ),
        _SHARP,
    )
}


def _profiles(truth: PublishedLaw, generator: Generator) -> tuple[Array, Array]:
    """isoFLOP profiles: 7 budgets over two decades of compute, 8 sizes each over a factor of 16,
    laid around a guess of the optimum."""
    guess = truth.optimum(_BUDGETS).N.point
    guess = guess * np.exp(_OFF_CENTRE * generator.normal(size=len(_BUDGETS)))
    N = guess[:, None] * _SIZES
    return N.ravel(), (_BUDGETS[:, None] / (6 * N)).ravel()


def _grid(truth: PublishedLaw, generator: Generator) -> tuple[Array, Array]:
    """A free grid: 7 sizes of 40M to 1.6B on each of 8 token counts of .8B to 32B."""
    N, D = np.meshgrid(_N, _D)
    return N.ravel(), D.ravel()


DESIGNS: Mapping[str, Callable[[PublishedLaw, Generator], tuple[Array, Array]]] = {
    "isoflop": _profiles,
    "grid": _grid,
}


@dataclass(frozen=True)
class Case:
    """One synthetic table: whose law, which design of 56 runs, standard deviation of ln loss."""

    law: str
    design: str
    noise: float
    replication: int
    seed: int = 0

    def __post_init__(self) -> None:
        for what, given, known in (
            ("law", self.law, TRUTHS),
            ("design", self.design, DESIGNS),
        ):
            if given not in known:
                raise InputError(f"no synthetic {what} {given!r}; valid: {', '.join(known)}")
        if not 0 < self.noise < 0.5:
            raise InputError(
                f"noise = {self.noise:g}: a standard deviation of ln loss above 0 and below .5 "
                "is needed, such as 0.005 for half a per cent"
            )

    @property
    def truth(self) -> PublishedLaw:
        return TRUTHS[self.law]

    def generator(self, purpose: str) -> Generator:
        """Random numbers of this case for one purpose, whatever other cases are asked for."""
        name = f"{self.law} {self.design} {self.noise:g} {self.replication} {purpose}"
        return np.random.default_rng([self.seed, crc32(name.encode())])

    @cached_property
    def table(self) -> pd.DataFrame:
        """The runs: N, D, C by 6ND, and the loss with noise."""
        generator = self.generator("table")
        N, D = DESIGNS[self.design](self.truth, generator)
        seen = self.observe(N, D, generator)
        return pd.DataFrame({"N": N, "D": D, "C": c_6nd(N, D), "loss": seen, "C_kind": "6ND"})

    def observe(self, N: Array, D: Array, generator: Generator) -> Array:
        """Losses of new runs."""
        error = self.noise * generator.normal(size=np.shape(N))
        return np.asarray(self.truth.loss(N, D).point * np.exp(error))
