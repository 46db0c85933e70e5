"""What to train when the model will also be served: the least cost of training and serving.

Sardana et al. 2024 (arXiv:2401.00448): of all (N, D) of one loss, the one that minimises
6 N D + 2 N served; or, with prices, what both cost in money (their eq. 6). A forward pass is a
third of a training token, so that all of it is f(N) (D + S): f(N) the FLOPs of a training token
and S the tokens of training that serving costs as much as. Hence where one more e-fold of N is
worth as much as one of D + S: dL/dlnN = (dlnf/dlnN) (D + S)/D dL/dlnD.

Assumed is that a loss tells a model's worth, and that demand does not depend on N.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast.frontier import compute_for_params
from scaling.forecast.further.reach import run_outside
from scaling.forecast.further.search import bare, least, lowest, root
from scaling.forecast.further.serving import Serving, above_zero
from scaling.forecast.interval import Interval
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

_SMALLER = np.log(1e5)  # how far below the compute-optimal N the best is looked for
_LENGTHS = np.linspace(np.log(1e-6), np.log(1e9), 41)  # and how far from its D, in ln D
_SIZES = np.linspace(-2.5, 1.5, 61)  # ln N of draws around the point's
_TOTALS = np.linspace(-1.2, 1.2, 25)  # ln total


@dataclass(frozen=True)
class Choice:
    """A size and a length, the loss to expect, FLOPs of training, and the cost of the whole life.

    Intervals of N and D are of what each draw would have chosen; that of the loss is of the choice.
    """

    N: Interval
    D: Interval
    loss: Interval
    training: float
    total: Interval

    def told(self, unit: str) -> str:
        """The choice and what it costs, in words."""
        return (
            f"N = {self.N} on D = {self.D}: {self.total} {unit} in all, {self.training:.4g} FLOPs "
            "of training"
        )


@dataclass(frozen=True)
class Lifetime:
    """What to train for so much serving.

    plain: the compute-optimal run. cheapest: the run of the same loss with the least total, which
    saves the share `saved`. better: the run of the same total with the least loss, which is lower
    by the share `gained`.
    """

    serving: Serving
    plain: Choice
    cheapest: Choice
    saved: Interval
    better: Choice
    gained: Interval
    n_column: str
    c_kind: str
    reach: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "served_as_training": self.serving.as_training}

    def __str__(self) -> str:
        unit = self.serving.rates.unit
        plain, cheap, better = self.plain, self.cheapest, self.better
        lines = [
            f"to serve {self.serving.tokens:.4g} tokens, which cost as much as training on "
            f"{self.serving.as_training:.4g}: N is {self.n_column}, C {self.c_kind}",
            f"  compute-optimal   {plain.told(unit)}, loss {plain.loss}",
            f"  cheapest so good  {cheap.told(unit)}, {_percent(self.saved)} less",
            f"  best for that     {better.told(unit)}, loss {better.loss}, "
            f"{_percent(self.gained)} lower",
            "  assumed           a token served costs a third of one trained on, by FLOPs; demand "
            "does not depend on N; one loss is worth as much as another like it",
        ]
        return "\n".join([*lines, *(f"  outside           {told}" for told in self.reach)])


def lifetime(
    predictor: Predictor,
    serving: Serving,
    *,
    compute: float | None = None,
    params: float | None = None,
) -> Lifetime:
    """What to train instead of the compute-optimal run of `compute` FLOPs, or of `params`.

    Raises InputError for none or both of them, and where nothing is served.
    """
    if (compute is None) == (params is None):
        raise InputError("give compute or params: the compute-optimal run to compare with")
    if serving.as_training == 0:
        raise InputError("served = 0: then the compute-optimal run is the cheapest")
    if compute is None:
        assert params is not None  # for the type checker: one of them is given
        above_zero("params", params)
        compute = compute_for_params(bare(predictor), params)
    above_zero("compute", compute)
    life = _Life(predictor, serving, compute)
    cheapest, saved = life.cheapest()
    better, gained = life.better()
    found = {
        told: None
        for run in (cheapest, better)
        for told in run_outside(predictor, run.N.point, run.D.point)
    }
    return Lifetime(
        serving,
        life.plain,
        cheapest,
        saved,
        better,
        gained,
        predictor.n_column,
        predictor.cost.kind,
        (*life.notes, *found),
    )


class _Life:
    """One predictor under one serving, against the compute-optimal run; sizes as x = ln N."""

    def __init__(self, predictor: Predictor, serving: Serving, compute: float) -> None:
        self.predictor, self.point = predictor, bare(predictor)
        self.served, self.price = serving.as_training, serving.rates.training
        best = self.point.optimum(compute)
        self.N, self.D = float(best.N.point), float(best.D.point)
        self.goal = predictor.loss(self.N, self.D)
        own = predictor.optimum(compute)
        self.notes: tuple[str, ...] = ()
        self.plain = self.choice(self.N, self.D, own.N.draws, own.D.draws)

    def cheapest(self) -> tuple[Choice, Interval]:
        """The run of the goal's loss with the least total, and the share of it that this saves.

        A draw's goal is its own loss of the compute-optimal run: its least loss for each total
        of a grid says which total is enough.
        """
        goal, start = float(self.goal.point), np.log(self.N)

        def ln_total(x: Array) -> Array:
            return np.asarray(np.log(self.flops(x)) + self._ln_longer(x, goal))

        x = least(ln_total, start - _SMALLER, start + 1)
        N, D = float(np.exp(x)), float(np.exp(self._ln_d(np.array([x]), goal)[0]))
        if not np.isfinite(D):
            self.notes = (
                "no smaller model is as good at any length: at this budget the loss no longer "
                "falls with D",
            )
            return self.plain, Interval(0.0, 0.0, 0.0)
        totals = self.total(N, D) * np.exp(_TOTALS)
        best = [self._best(x, total) for total in totals]
        sizes, losses = (np.stack(part, axis=1) for part in zip(*best, strict=True))
        ln = np.log(totals)
        falling = np.minimum.accumulate(losses, axis=1)  # nobody has to spend all of a total
        pairs = zip(self.goal.draws, falling, strict=True)
        enough = np.array([np.interp(-loss, -row, ln) for loss, row in pairs])
        rows = zip(enough, sizes, strict=True)
        n_own = np.exp(np.array([np.interp(total, ln, row) for total, row in rows]))
        d_own = self.d_at(np.log(n_own), np.exp(enough))
        choice = self.choice(N, D, n_own, d_own, np.exp(enough))
        share = 1 - np.exp(enough) / self.plain.total.point
        return choice, spread_of(1 - choice.total.point / self.plain.total.point, share)

    def better(self) -> tuple[Choice, Interval]:
        """The run of the same total with the least loss, and the share by which that is lower."""
        total = self.plain.total.point

        def loss(x: Array) -> Array:
            D = self.d_at(x, total)
            found = self.point.loss(np.exp(x), np.maximum(D, 1.0)).point
            return np.asarray(np.where(D > 0, found, np.inf))

        x = least(loss, np.log(self.N) - _SMALLER, np.log(self.N) + 1)
        N, D = float(np.exp(x)), float(self.d_at(x, total))
        sizes, losses = self._best(x, total)
        n_own = np.exp(sizes)
        choice = self.choice(N, D, n_own, self.d_at(sizes, total))
        gained = 1 - losses / self.goal.draws
        return choice, spread_of(1 - choice.loss.point / self.plain.loss.point, gained)

    def choice(
        self, N: float, D: float, n_own: Array, d_own: Array, totals: Array | None = None
    ) -> Choice:
        """A run, with the spread of what each draw would have chosen."""
        loss, total = self.predictor.loss(N, D), self.total(N, D)
        return Choice(
            spread_of(N, n_own),
            spread_of(D, d_own),
            spread_of(float(loss.point), loss.draws),
            float(self.predictor.cost.flops_per_token(N)) * D,
            spread_of(total, np.empty(0) if totals is None else totals),
        )

    def flops(self, x: Array | float) -> Array:
        return self.predictor.cost.flops_per_token(np.exp(x))

    def total(self, N: float, D: float) -> float:
        return float(self.price * self.predictor.cost.flops_per_token(N) * (D + self.served))

    def d_at(self, x: Array | float, total: Array | float) -> Array:
        """The D that is left of a total; below 0 where serving alone costs more."""
        return np.asarray(total / (self.price * self.flops(x)) - self.served)

    def _best(self, x: float, total: float) -> tuple[Array, Array]:
        """Each draw's best ln N at a total, on a grid around x, and its loss there: [n_draws]."""
        sizes = x + _SIZES
        D = self.d_at(sizes, total)
        losses = self.predictor.loss(np.exp(sizes), np.maximum(D, 1.0)).draws
        with np.errstate(over="ignore"):
            return lowest(sizes, np.where(D > 0, losses, np.inf))

    def _ln_longer(self, x: Array, loss: float) -> Array:
        """ln(D + S) at which sizes reach a loss; infinite where none does."""
        return np.asarray(np.logaddexp(self._ln_d(x, loss), np.log(self.served)))

    def _ln_d(self, x: Array, loss: float) -> Array:
        """The least ln D at which sizes reach a loss, by the point estimate; infinite where none
        does. (Far from its data a predictor's loss may turn up again.)"""

        def excess(x: Array, ln_d: Array) -> Array:
            return np.asarray(np.log(self.point.loss(np.exp(x), np.exp(ln_d)).point / loss))

        grid = np.log(self.D) + _LENGTHS
        enough = excess(x[..., None], grid) < 0
        first = enough.argmax(axis=-1)
        able = enough.any(axis=-1) & (first > 0)
        found = np.full(x.shape, np.inf)
        if able.any():
            ends = grid[first[able] - 1], grid[first[able]]
            found[able] = root(lambda z: excess(x[able], z), *ends)
        return found


def spread_of(point: float, draws: Array) -> Interval:
    """The estimate and the central 90 % of the draws, which may be infinite or none."""
    if len(draws) == 0:
        return Interval(point, point, point)
    low, high = np.quantile(draws, [0.05, 0.95], method="inverted_cdf")
    return Interval(point, float(low), float(high))


def _percent(share: Interval) -> str:
    return f"{share.scaled(100)} %"
