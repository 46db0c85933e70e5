"""Trained longer than compute-optimal: what a fixed ratio of tokens to parameters costs and saves.

Gadre et al. 2024 (arXiv:2403.08540) find laws fitted near the optimum to hold out to 640 tokens
for each parameter. Under their own law, with M = D/N and M* = (b/a)^(1/(2 eta)) at the optimum, the
reducible loss at a budget is higher by ((M/M*)^eta + (M*/M)^eta)/2, and the same loss takes that
to the power 1/eta more compute. Here any predictor answers, by its losses.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.forecast.further.inference import spread_of
from scaling.forecast.further.reach import run_outside
from scaling.forecast.further.search import Function, bare, root
from scaling.forecast.interval import Interval
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

_FAR = np.log(1e6)  # how far from the budget, in compute, equal losses are looked for
_AROUND = np.linspace(
    -2.0, 2.0, 17
)  # ln C of draws around the point's, a quarter of an e-fold each


@dataclass(frozen=True)
class Overtrained:
    """A ratio of tokens to parameters at a budget of C FLOPs, against the compute-optimal run.

    N, D, loss: the run of that ratio. N_opt, D_opt, loss_opt: the compute-optimal one. excess: how
    much higher the loss is, in nats. wasted: the share of C that the compute-optimal run of that
    loss does without. smaller: N over N_opt. n_same, d_same: the run of the ratio that has the
    optimum's loss; overhead: the share of C that it takes more; repaid:
    served tokens after which it has cost less than the optimum, infinite where it never does.
    """

    ratio: float
    C: float
    N: float
    D: float
    loss: Interval
    N_opt: float
    D_opt: float
    loss_opt: Interval
    excess: Interval
    wasted: Interval
    smaller: float
    n_same: float
    d_same: float
    overhead: Interval
    repaid: float
    n_column: str
    c_kind: str
    reach: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: what is not to be had is None."""
        found = asdict(self)
        if not np.isfinite(self.n_same):
            found |= {"n_same": None, "d_same": None, "overhead": None}
        return found | {"repaid": self.repaid if np.isfinite(self.repaid) else None}

    def __str__(self) -> str:
        cost = f"served tokens cost {self.smaller:.3g} x as much"
        lines = [
            f"{self.ratio:.4g} tokens per parameter at C = {self.C:.4g} FLOPs ({self.c_kind}), "
            f"against {self.D_opt / self.N_opt:.4g} at the optimum",
            f"  train     N = {self.N:.4g} ({self.n_column}) on D = {self.D:.4g}: {cost}",
            f"  loss      {self.loss}, {self.excess} above the optimum's {self.loss_opt}",
            f"  wasted    the compute-optimal run of that loss needs {self.wasted.scaled(100)} % "
            "less compute",
        ]
        if np.isfinite(self.n_same):
            paid = (
                f"repaid once {self.repaid:.4g} tokens are served"
                if np.isfinite(self.repaid)
                else "serving it costs no less, so that it is never repaid"
            )
            lines.append(
                f"  as good   N = {self.n_same:.4g} on D = {self.d_same:.4g} has the optimum's "
                f"loss for {self.overhead.scaled(100)} % more compute; {paid}"
            )
        else:
            lines.append("  as good   no run of this ratio has the optimum's loss within 1e6 x C")
        return "\n".join([*lines, *(f"  outside   {told}" for told in self.reach)])


def overtrained(predictor: Predictor, ratio: float, compute: float) -> Overtrained:
    """What `ratio` tokens for each parameter cost at `compute` FLOPs. Raises InputError for a
    number that is not above 0."""
    for name, value in (("tokens per parameter", ratio), ("compute", compute)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    point = bare(predictor)
    at = _Ratio(point, ratio)
    best, own = point.optimum(compute), predictor.optimum(compute)
    goal, N_opt = float(best.loss.point), float(best.N.point)
    N = float(at.size(np.array(np.log(compute))))
    run = predictor.loss(N, ratio * N)
    same = at.reaches(goal, compute)
    fewer = _optimal_compute(point, float(run.point), compute)
    along, frontier = same + _AROUND, fewer + _AROUND
    more = spared = np.empty(0)
    if len(run.draws) and np.isfinite(same):
        reached = predictor.loss(at.size(along), ratio * at.size(along)).draws
        more = np.exp(_passes(reached, own.loss.draws, along)) / compute - 1
    if len(run.draws) and np.isfinite(fewer):
        best_losses = predictor.optimum(np.exp(frontier)).loss.draws
        spared = 1 - np.exp(_passes(best_losses, run.draws, frontier)) / compute
    n_same = float(at.size(np.array(same))) if np.isfinite(same) else same
    takes = float(np.exp(same))
    served = predictor.cost.flops_per_token(np.array([N_opt, n_same])) / 3  # FLOPs of a token
    gain = float(served[0] - served[1])
    return Overtrained(
        ratio,
        compute,
        N,
        ratio * N,
        spread_of(float(run.point), run.draws),
        N_opt,
        float(best.D.point),
        spread_of(goal, own.loss.draws),
        spread_of(float(run.point) - goal, run.draws - own.loss.draws),
        spread_of(1 - float(np.exp(fewer)) / compute, spared),
        N / N_opt,
        n_same,
        ratio * n_same,
        spread_of(takes / compute - 1, more),
        (takes - compute) / gain if gain > 0 else float("inf"),
        predictor.n_column,
        predictor.cost.kind,
        tuple(run_outside(predictor, N, ratio * N)),
    )


class _Ratio:
    """Runs of one ratio of tokens to parameters, by their ln C."""

    def __init__(self, predictor: Predictor, ratio: float) -> None:
        self.predictor, self.ratio = predictor, ratio

    def size(self, ln_c: Array) -> Array:
        """N with f(N) ratio N = C."""
        per_token, rest = self.predictor.cost.flops_per_token, np.log(self.ratio) - ln_c

        def excess(x: Array) -> Array:
            return np.asarray(np.log(per_token(np.exp(x))) + x + rest)

        return np.exp(root(excess, np.zeros(np.shape(ln_c)), np.asarray(ln_c)))

    def reaches(self, loss: float, compute: float) -> float:
        """ln C at which the point estimate of a run of this ratio has a loss; infinite where none
        has it."""

        def excess(ln_c: Array) -> Array:
            N = self.size(ln_c)
            return np.asarray(np.log(self.predictor.loss(N, self.ratio * N).point / loss))

        return _crossing(excess, compute)


def _optimal_compute(predictor: Predictor, loss: float, compute: float) -> float:
    """ln C whose compute-optimal run has a loss, by the point estimate."""

    def excess(ln_c: Array) -> Array:
        return np.asarray(np.log(predictor.optimum(np.exp(ln_c)).loss.point / loss))

    return _crossing(excess, compute)


def _crossing(excess: Function, compute: float) -> float:
    """Where `excess` of ln C first falls below 0 around a budget; infinite where that is too far.
    (Where repeated data harm, more compute that must be spent makes the loss turn up again.)"""
    grid = np.log(compute) + np.linspace(-_FAR, _FAR, 57)
    below = excess(grid) < 0
    first = int(below.argmax())
    if not below[first]:
        return float("inf")
    if first == 0:
        return -float("inf")
    return float(root(excess, grid[first - 1 : first], grid[first : first + 1])[0])


def _passes(losses: Array, loss: Array, x: Array) -> Array:
    """Where each row first passes its loss; an end of x where that is beyond it."""
    pairs = zip(loss, np.minimum.accumulate(losses, axis=1), strict=True)
    return np.array([np.interp(-a, -row, x) for a, row in pairs], dtype=float)
