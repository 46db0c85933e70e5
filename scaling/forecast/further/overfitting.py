"""What repeated data are worth: how many epochs, how much unique data, which size for a budget.

Everything is asked of a fit of a law of N, D and D_unique (`overfit`, `muennighoff_tied`, ...) and
answered with the central 90 % of its draws. Criteria are stated, not built in: epochs are enough
within a share of the best loss, data within a share of the loss that unlimited data would give.
In laws whose loss never rises with D (Muennighoff's, `bounded`) there is no turn to find: only what
more epochs stop to gain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.further.answers import Answer, answer_of
from scaling.forecast.further.reach import outside

Array = NDArray[np.float64]

WITHIN = 0.01  # of loss: what is as good as the best
REACH = 4.0  # how many times the longest repetition of the table is looked at
_VALID = (
    "repeated data need a law of N, D and D_unique, such as overfit, overfit_ratio, bounded or "
    "muennighoff_tied"
)
_PER_E_FOLD = 24  # grid points in an e-fold of epochs or of N
_UNLIMITED = 1e30  # tokens
_FAR = 1e4  # how many times beyond the table an amount of data, or a size, is looked for
_HALVINGS = 50
_RISE = 1e-6  # of loss: less is the rounding of a law that is flat


@dataclass(frozen=True)
class Worth:
    """What so many epochs give: the loss, the epochs of fresh data that would give the same, and
    what one more repeated token is worth in fresh ones."""

    epochs: float
    loss: Answer
    fresh: Answer
    next_token: Answer


@dataclass(frozen=True)
class Epochs:
    """How many epochs of D_unique are worth it for a model of N.

    best: where the loss is least. turns: the share of draws in which it rises from there, within
    the reach. enough: the fewest epochs whose loss is `within` of the best. half: after which one
    more repeated token is worth less than half a fresh one throughout.
    """

    N: float
    D_unique: float
    within: float
    best: Answer
    best_loss: Answer
    turns: float
    enough: Answer
    half: Answer
    rows: tuple[Worth, ...]


@dataclass(frozen=True)
class Needed:
    """The unique data a model of N needs. D: for a run of that length to lose no more than `within`
    against fresh data throughout; without D, for the best run to come `within` of the loss that
    unlimited data would give."""

    N: float
    D: float | None
    within: float
    D_unique: Answer


@dataclass(frozen=True)
class Budget:
    """The best N and epochs for C FLOPs and D_unique, and what unlimited data would have given."""

    C: float
    D_unique: float
    N: Answer
    epochs: Answer
    loss: Answer
    fresh_size: Answer
    fresh_loss: Answer


class Repetition:
    """A fit that is asked about repeated data.

    A law of N and D alone is taken as Kaplan's: of runs that were stopped at their best, D counting
    the unique data. It says how much data a size needs, and nothing of epochs. Raises InputError
    for a law of other variables.
    """

    def __init__(self, fit: Fit, *, within: float = WITHIN, reach: float = REACH) -> None:
        self.repeats = "D_unique" in fit.law.variables
        if {*fit.law.variables, "D_unique"} != {"N", "D", "D_unique"}:
            raise InputError(f"law {fit.law.name} is of {', '.join(fit.law.variables)}: {_VALID}")
        for name, value, valid in (("within", within, 0 < within < 1), ("reach", reach, reach > 1)):
            if not valid:
                range_ = "between 0 and 1" if name == "within" else "above 1"
                raise InputError(f"{name} = {value:g}; must be a number {range_}")
        self.fit, self.within = fit, within
        # The estimate in the first row, the draws below it.
        self._params = {
            name: np.concatenate([[fit.params[name]], draws])[:, None]
            for name, draws in fit.params_draws().items()
        }
        self._unique = fit.points["D_unique" if self.repeats else "D"]
        self.longest = float((fit.points["D"] / self._unique).max())
        self.reach = reach * max(self.longest, 2.0)

    def loss(self, N: Any, D: Any, D_unique: Any) -> Array:
        """The law's loss, estimate first: [1 + draws, points]."""
        x = {"D": D, "D_unique": D_unique} if self.repeats else {"D": np.minimum(D, D_unique)}
        with np.errstate(over="ignore", invalid="ignore"):  # a draw that ran away
            found = self.fit.law.predict(N=N, **x, **self._params)
        return np.asarray(np.nan_to_num(found, nan=np.inf, posinf=np.inf), dtype=float)

    def epochs(self, N: float, D_unique: float, at: Sequence[float] | None = None) -> Epochs:
        """What epochs of D_unique are worth to a model of N; `at`: those that are listed."""
        _positive(N=N, D_unique=D_unique)
        self._must_repeat("epochs")
        listed = at or [2.0**i for i in range(int(np.log2(self.reach)) + 1)]
        if min(listed) < 1:
            raise InputError(f"epochs = {min(listed):g}; must be 1 or more")
        grid = _grid(1.0, max(self.reach, *listed))
        loss, fresh = self._worth(N, grid * D_unique, D_unique)
        value = np.gradient(fresh, grid * D_unique, axis=1)
        lowest = loss.min(axis=1)
        rises = loss[:, -1] > (1 + _RISE) * lowest
        best = np.where(rises, grid[loss.argmin(axis=1)], np.inf)
        enough = grid[np.argmax(loss <= (1 + self.within) * lowest[:, None], axis=1)]
        # From the last place where it is worth as much: a penalty of delta < 1 starts steeply.
        worthy = value >= 0.5
        last = len(grid) - 1 - np.argmax(worthy[:, ::-1], axis=1)
        after = np.where(last == len(grid) - 1, np.inf, grid[np.minimum(last + 1, len(grid) - 1)])
        half = np.where(worthy.any(axis=1), after, 1.0)
        limits = (0.0, float(grid[-1]))
        rows = np.array(listed)
        loss_at, fresh_at = self._worth(N, rows * D_unique, D_unique)
        value_at = np.array([np.interp(np.log(rows), np.log(grid), line) for line in value])
        return Epochs(
            N,
            D_unique,
            self.within,
            best=answer_of(best, *limits),
            best_loss=answer_of(lowest),
            turns=float(rises[1:].mean() if len(rises) > 1 else rises[0]),
            enough=answer_of(enough, *limits),
            half=answer_of(half, *limits),
            rows=tuple(
                Worth(
                    float(passes),
                    answer_of(loss_at[:, i]),
                    answer_of(fresh_at[:, i] / D_unique),
                    answer_of(value_at[:, i]),
                )
                for i, passes in enumerate(rows)
            ),
        )

    def needed(self, N: float, D: float | None = None) -> Needed:
        """How much unique data a model of N needs, for a run of D or at its best."""
        _positive(N=N, **({} if D is None else {"D": D}))
        share = 1 + self.within
        if D is None:
            low, high = self._unique.min() / _FAR, self._unique.max() * _FAR
            target = share * self.loss(N, _UNLIMITED, _UNLIMITED)
            passes = _grid(1.0, self.reach)[::2]

            def enough(U: Array) -> NDArray[np.bool_]:
                best = self.loss(N, passes * U, U).min(axis=1, keepdims=True)
                return np.asarray(best <= target)
        else:
            self._must_repeat("runs of a given D")
            low, high = D / (_FAR * self.longest), D
            target = share * self.loss(N, D, D)

            def enough(U: Array) -> NDArray[np.bool_]:
                return np.asarray(self.loss(N, D, U) <= target)

        return Needed(N, D, self.within, answer_of(self._least(enough, low, high), low, high))

    def budget(self, C: float, D_unique: float) -> Budget:
        """The best N and epochs for C FLOPs, by the cost of the table's own runs."""
        _positive(C=C, D_unique=D_unique)
        self._must_repeat("budgets")
        sizes = self.fit.points["N"]
        N = _grid(sizes.min() / _FAR**0.5, sizes.max() * _FAR**0.5)
        D = self.fit.cost.tokens(C, N)
        answers: list[Answer] = []
        for unique in (np.full_like(D, D_unique), D):
            loss = self.loss(N, D, unique)
            at = loss.argmin(axis=1)
            size = np.where(at == 0, 0.0, np.where(at == len(N) - 1, np.inf, N[at]))
            answers.append(answer_of(size, float(N[0]), float(N[-1])))
            answers.append(answer_of(loss.min(axis=1)))
            if unique is not D:
                answers.append(answer_of(np.maximum(D[at] / D_unique, 0.0)))
        best_n, best_loss, epochs, *fresh = answers
        return Budget(C, D_unique, best_n, epochs, best_loss, *fresh)

    def beyond(self, **asked: float | None) -> list[str]:
        """What was asked for that lies outside the runs fitted, and how far."""
        points = dict(self.fit.points)
        points["D_unique"] = self._unique
        points["epochs"] = points["D"] / self._unique
        ranges = {k: (float(v.min()), float(v.max())) for k, v in points.items()}
        return outside(ranges, asked, "fitted")

    def _must_repeat(self, what: str) -> None:
        if not self.repeats:
            raise InputError(f"law {self.fit.law.name} says nothing of {what}: {_VALID}")

    def _worth(self, N: float, D: Array, D_unique: float) -> tuple[Array, Array]:
        """The loss of D, and the fresh data, at most D, that give the same: [1 + draws, points]."""
        loss = self.loss(N, D, D_unique)
        low = np.broadcast_to(np.log(D / _FAR), loss.shape)
        high = np.broadcast_to(np.log(D), loss.shape)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            tokens = np.exp(middle)
            worse = self.loss(N, tokens, tokens) > loss
            low, high = np.where(worse, middle, low), np.where(worse, high, middle)
        return loss, np.exp(high)

    def _least(
        self, enough: Callable[[Array], NDArray[np.bool_]], low: float, high: float
    ) -> Array:
        """The least U between the ends that is enough, by row; 0 or infinite beyond them."""
        rows = len(next(iter(self._params.values())))
        ends = [np.full((rows, 1), end) for end in (low, high)]
        below, above = enough(ends[0]), ~enough(ends[1])
        a, b = np.log(ends[0]), np.log(ends[1])
        for _ in range(_HALVINGS):
            middle = 0.5 * (a + b)
            ok = enough(np.exp(middle))
            a, b = np.where(ok, a, middle), np.where(ok, middle, b)
        found = np.where(above, np.inf, np.where(below, 0.0, np.exp(b)))
        return np.asarray(found[:, 0])


def _grid(low: float, high: float) -> Array:
    count = max(2, int(np.ceil(_PER_E_FOLD * np.log(high / low))) + 1)
    return np.asarray(np.geomspace(low, high, count))


def _positive(**asked: float) -> None:
    for name, value in asked.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}; must be a finite number above 0")
