"""Which of many observations narrow what is asked, for what they cost: a Gaussian choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A gain counts for its cost to one of these powers: 1 takes what is cheap first, 0 what tells most.
# Which is best depends on the budget, so all are tried.
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
ENOUGH = 0.0005  # of the variance that is left: what gains less is not taken
_SWAPS = 20


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint normal of n observations and q quantities.

    covariance [n, n], of the observations' means; noise [n], variance of each alone; with [q, n],
    covariance with the quantities; variance [q], theirs.
    """

    covariance: Array
    noise: Array
    with_them: Array
    variance: Array

    def left(self, chosen: Sequence[int]) -> Array:
        """The quantities' variances [q] once these are observed."""
        if not len(chosen):
            return self.variance
        at = np.asarray(chosen)
        total = self.covariance[np.ix_(at, at)] + np.diag(self.noise[at])
        r = self.with_them[:, at]
        return np.asarray(self.variance - (r * np.linalg.solve(total, r.T).T).sum(axis=1))


def choose(
    joint: Joint, cost: Array, budget: float, goal: int, most: int | None = None
) -> list[int]:
    """Observations within the budget, and `most` of them, that leave quantity `goal` the least
    variance, in order.

    Greedy by gain over a power of the cost, the best power kept; then members that gain least for
    their cost are taken out, and what they cost is spent again, as long as that helps.
    """
    best: list[int] = []
    for power in _POWERS:
        best = _better(joint, cost, goal, best, _grown(joint, cost, budget, goal, power, [], most))
    for _ in range(_SWAPS):
        if len(best) < 2:
            break
        out = int(np.argmin(_rises(joint, best, goal) / cost[best]))
        fewer = [i for i in best if i != best[out]]
        tried = fewer
        for power in _POWERS[::2]:
            other = _grown(joint, cost, budget, goal, power, fewer, most)
            tried = _better(joint, cost, goal, tried, other)
        kept = _better(joint, cost, goal, best, tried)
        if kept is best:
            break
        best = kept
    return best


def gains(joint: Joint, chosen: Sequence[int]) -> Array:
    """How much each of the chosen, in order, takes from the quantities' variances [len, q]."""
    left = [joint.left(chosen[:i]) for i in range(len(chosen) + 1)]
    return -np.diff(np.reshape(left, (len(chosen) + 1, -1)), axis=0)


def _grown(
    joint: Joint,
    cost: Array,
    budget: float,
    goal: int,
    power: float,
    first: Sequence[int],
    most: int | None,
) -> list[int]:
    """`first`, and greedily what the budget still allows."""
    n, open_yet = len(cost), joint.variance[goal]
    variance = joint.covariance.diagonal().copy()
    with_goal = joint.with_them[goal].copy()
    factors = np.empty((n, 0))
    free = np.ones(n, dtype=bool)
    chosen: list[int] = []
    left, price = budget, (cost / cost.min()) ** power

    def take(i: int) -> None:
        nonlocal variance, with_goal, factors, left, open_yet
        column = joint.covariance[:, i] - factors @ factors[i]
        sd = np.sqrt(variance[i] + joint.noise[i])
        column /= sd
        open_yet -= (with_goal[i] / sd) ** 2
        with_goal = with_goal - column * (with_goal[i] / sd)
        variance = np.maximum(variance - column**2, 0.0)
        factors = np.column_stack([factors, column])
        free[i] = False
        left -= cost[i]
        chosen.append(i)

    for i in first:
        take(i)
    while most is None or len(chosen) < most:
        gain = np.where(free & (cost <= left), with_goal**2 / (variance + joint.noise), 0.0)
        gain[gain < ENOUGH * open_yet] = 0.0
        i = int(np.argmax(gain / price))
        if gain[i] == 0.0:
            break
        take(i)
    return chosen


def _better(joint: Joint, cost: Array, goal: int, a: list[int], b: list[int]) -> list[int]:
    """Of two choices the one that leaves less; of nearly equal ones the cheaper."""
    left_a, left_b = joint.left(a)[goal], joint.left(b)[goal]
    if abs(left_a - left_b) <= ENOUGH * min(left_a, left_b):
        return b if cost[b].sum() < cost[a].sum() else a
    return a if left_a < left_b else b


def _rises(joint: Joint, chosen: Sequence[int], goal: int) -> Array:
    """How much the goal's variance rises without each of the chosen, the others kept."""
    at = np.asarray(chosen)
    precision = np.linalg.inv(joint.covariance[np.ix_(at, at)] + np.diag(joint.noise[at]))
    weight = precision @ joint.with_them[goal, at]
    return np.asarray(weight**2 / precision.diagonal())
