"""How much the loss of each pilot would raise the variance of a forecast: a simple rule. No JAX.

The forecast is taken to be linear in the logs of what the pilots vary (N, D, rate, batch, unique
data) and in their squares, with equal noise on the log loss of every run. What it says of a target
then has a variance that follows from where the pilots lie, before any is trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scaling.grid import Cell, Recipe

Array = NDArray[np.float64]

# Precision of the prior of every coefficient, in units of one run's: what no pilot tells is vague,
# not infinite.
PRIOR = 1e-6
# Without targets the forecast is of a run so many times larger than the largest pilots, each in N
# and in D: ten times in compute.
BEYOND = 10**0.5
NEGLIGIBLE = 1e-9  # spread of a log that is none


class Leverage:
    """The pilots of a study, those of one family and recipe a stratum, with a fit of its own.

    Runs that differ in nothing but the seed are one point. points: how many different ones a
    stratum keeps at least. `point` gives a pilot's, by its id.
    """

    def __init__(self, cells: Sequence[Cell], points: int) -> None:
        members: dict[tuple[str, Recipe], list[Cell]] = {}
        for cell in cells:
            if cell.role == "pilot":
                members.setdefault((cell.family, _manner(cell.recipe)), []).append(cell)
        self.point: dict[str, int] = {}
        self._strata: list[_Stratum] = []
        self._first: list[int] = []
        self.size = 0
        for (family, _), pilots in members.items():
            goals = [cell for cell in cells if cell.role == "target" and cell.family == family]
            stratum = _Stratum(pilots, goals, points)
            for cell, at in zip(pilots, stratum.places, strict=True):
                self.point[cell.id] = self.size + at
            self._strata.append(stratum)
            self._first.append(self.size)
            self.size += len(stratum.count)
        self._known: list[Array | None] = [None] * len(self._strata)

    def rises(self) -> Array:
        """By how much one run less at each point raises the variances of what is forecast from its
        stratum, as a mean share of them [points]; infinite where it may not go."""
        for at, stratum in enumerate(self._strata):
            if self._known[at] is None:
                self._known[at] = stratum.rises()
        return np.concatenate([known for known in self._known if known is not None])

    def may_go(self, point: int) -> bool:
        """Whether enough is left of its stratum without one of its runs."""
        which = self._stratum(point)
        return bool(self._strata[which].may_go()[point - self._first[which]])

    def remove(self, point: int) -> None:
        """Take one run of a point away."""
        which = self._stratum(point)
        self._strata[which].remove(point - self._first[which])
        self._known[which] = None

    def _stratum(self, point: int) -> int:
        return int(np.searchsorted(self._first, point, side="right")) - 1


class _Stratum:
    """Points [points, terms] with how many runs each has [points], and what is forecast."""

    def __init__(self, pilots: Sequence[Cell], goals: Sequence[Cell], points: int) -> None:
        logs = np.array([_logs(cell) for cell in pilots])
        varied = np.ptp(logs, axis=0) > NEGLIGIBLE
        found, self.places = np.unique(logs[:, varied], axis=0, return_inverse=True)
        self.places = self.places.reshape(-1)
        seen = Counter(self.places.tolist())
        self.count = np.array([seen[at] for at in range(len(found))])
        self._least = points
        centre, spread = found.mean(axis=0), found.std(axis=0)
        bent = np.array([len(np.unique(column)) > 2 for column in found.T], bool)

        def terms(logs: Array) -> Array:
            z = (logs - centre) / spread
            return np.hstack([np.ones((len(z), 1)), z, z[:, bent] ** 2])

        self._x = terms(found)
        far = np.array([_logs(cell) for cell in goals]) if goals else _far(logs)[None]
        self._goals = terms(far[:, varied])
        self._information = PRIOR * np.eye(self._x.shape[1])
        self._information += (self._x * self.count[:, None]).T @ self._x

    def rises(self) -> Array:
        covariance = np.linalg.inv(self._information)
        to_points = self._x @ covariance
        leverage = (to_points * self._x).sum(axis=1)
        variances = ((self._goals @ covariance) * self._goals).sum(axis=1)
        shares = (to_points @ self._goals.T) ** 2 / variances
        rises: Array = shares.mean(axis=1) / np.maximum(1 - leverage, PRIOR)
        rises[~self.may_go()] = np.inf
        return rises

    def may_go(self) -> NDArray[np.bool_]:
        many = (self.count > 0).sum() > self._least
        can: NDArray[np.bool_] = self.count > (0 if many else 1)
        return can

    def remove(self, at: int) -> None:
        self.count[at] -= 1
        self._information -= np.outer(self._x[at], self._x[at])


def _manner(recipe: Recipe) -> Recipe:
    """A recipe without what pilots vary as numbers."""
    usual = {name: Recipe.model_fields[name].default for name in ("batch_tokens", "batch_images")}
    return recipe.model_copy(update={"learning_rate": 1.0, **usual})


def _logs(cell: Cell) -> Array:
    varied = (cell.shape.N_total, cell.D, cell.recipe.learning_rate, cell.batch, cell.D_unique)
    logs: Array = np.log(np.array(varied, float))
    return logs


def _far(logs: Array) -> Array:
    """Beyond the largest N and D, in the middle of all else."""
    middle: Array = logs.mean(axis=0)
    middle[:2] = logs[:, :2].max(axis=0) + np.log(BEYOND)
    return middle
