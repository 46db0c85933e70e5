"""What to train when the model will also be served: the least cost of training and serving.

Sardana et al. 2024 (arXiv:2401.00448): of all (N, D) of one loss, the one that minimises
6 N D + 2 N served; or, with prices, what both cost in money (their eq. 6). A forward pass is a
third of a training token, so that all of it is f(N) (D + S): f(N) the FLOPs of a training token
and S the tokens of training that serving costs as much as. Hence where one more e-fold of N is
worth as much as one of D + S: dL/dlnN = (dlnf/dlnN) (D + S)/D dL/dlnD.

Assumed is that a loss tells a model's worth, and that demand does not depend on N.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast.frontier import compute_for_params
from scaling.forecast.interval import Interval
from scaling.forecast.predictor import Predictor
from scaling.forecast.search import bare, least, lowest, root

Array = NDArray[np.float64]

_SMALLER = np.log(1e5)  # how far below the compute-optimal N the best is looked for
_LENGTHS = np.linspace(np.log(1e-6), np.log(1e9), 41)  # and how far from its D, in ln D
_SIZES = np.linspace(-2.5, 1.5, 61)  # ln N of draws around the point's
_TOTALS = np.linspace(-1.2, 1.2, 25)  # ln total


@dataclass(frozen=True)
class Rates:
    """Price of a FLOP in training, in reading a prompt and in generating; `unit` says of what."""

    training: float = 1.0
    prompt: float = 1.0
    generated: float = 1.0
    unit: str = "FLOPs"

    def __post_init__(self) -> None:
        for name in ("training", "prompt", "generated"):
            _above_zero(name, getattr(self, name))


def rate(per_hour: float, peak_flops: float, mfu: float) -> float:
    """The price of a FLOP on a device of that price per hour, peak FLOP/s and utilisation."""
    for name, value in (("price per hour", per_hour), ("peak FLOP/s", peak_flops), ("MFU", mfu)):
        _above_zero(name, value)
    if mfu > 1:
        raise InputError(f"MFU = {mfu:g}: must be above 0 and at most 1")
    return per_hour / 3600 / (peak_flops * mfu)


@dataclass(frozen=True)
class Serving:
    """Tokens served over the model's life: read as prompts, and generated."""

    prompt: float = 0.0
    generated: float = 0.0
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        for name in ("prompt", "generated"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(
                    f"{name} tokens served = {value:g}: must be a number of at least 0"
                )

    @property
    def tokens(self) -> float:
        return self.prompt + self.generated

    @property
    def as_training(self) -> float:
        """S: the tokens of training that serving costs as much as."""
        prices = self.rates
        spent = self.prompt * prices.prompt + self.generated * prices.generated
        return spent / (3 * prices.training)


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
        _above_zero("params", params)
        compute = compute_for_params(bare(predictor), params)
    _above_zero("compute", compute)
    life = _Life(predictor, serving, compute)
    cheapest, saved = life.cheapest()
    better, gained = life.better()
    kind = predictor.cost.kind
    return Lifetime(serving, life.plain, cheapest, saved, better, gained, predictor.n_column, kind)


class _Life:
    """One predictor under one serving, against the compute-optimal run; sizes as x = ln N."""

    def __init__(self, predictor: Predictor, serving: Serving, compute: float) -> None:
        self.predictor, self.point = predictor, bare(predictor)
        self.served, self.price = serving.as_training, serving.rates.training
        best = self.point.optimum(compute)
        self.N, self.D = float(best.N.point), float(best.D.point)
        self.goal = predictor.loss(self.N, self.D)
        own = predictor.optimum(compute)
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
        totals = self.total(N, D) * np.exp(_TOTALS)
        best = [self._best(x, total) for total in totals]
        sizes, losses = (np.stack(part, axis=1) for part in zip(*best, strict=True))
        ln = np.log(totals)
        pairs = zip(self.goal.draws, losses, strict=True)
        enough = np.array([np.interp(-loss, -row, ln) for loss, row in pairs])
        rows = zip(enough, sizes, strict=True)
        n_own = np.exp(np.array([np.interp(total, ln, row) for total, row in rows]))
        d_own = self.d_at(np.log(n_own), np.exp(enough))
        choice = self.choice(N, D, n_own, d_own, np.exp(enough))
        share = 1 - np.exp(enough) / self.plain.total.point
        return choice, interval(1 - choice.total.point / self.plain.total.point, share)

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
        return choice, interval(1 - choice.loss.point / self.plain.loss.point, gained)

    def choice(
        self, N: float, D: float, n_own: Array, d_own: Array, totals: Array | None = None
    ) -> Choice:
        """A run, with the spread of what each draw would have chosen."""
        loss, total = self.predictor.loss(N, D), self.total(N, D)
        return Choice(
            interval(N, n_own),
            interval(D, d_own),
            interval(float(loss.point), loss.draws),
            float(self.predictor.cost.flops_per_token(N)) * D,
            interval(total, np.empty(0) if totals is None else totals),
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


def interval(point: float, draws: Array) -> Interval:
    """The estimate and the central 90 % of the draws, which may be infinite or none."""
    if len(draws) == 0:
        return Interval(point, point, point)
    low, high = np.quantile(draws, [0.05, 0.95], method="inverted_cdf")
    return Interval(point, float(low), float(high))


def _above_zero(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value:g}: must be a finite number above 0")
