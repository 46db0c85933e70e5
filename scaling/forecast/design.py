"""Which runs to train next: those that narrow the forecast at a target most for what they cost.

What is known of the target is held as draws, of the table's own forecaster and of a law under
published priors (`believed`), half of each, so that runs are worth training that tell the two
apart. Over the draws, a candidate's ln loss and what is asked at the target vary together; taken as
jointly normal, that says how much the target narrows when the candidate is seen, before it is
(the ensemble Kalman filter: Evensen 1994, J. Geophys. Res. 99, 10143; choosing by it: Krause, Singh
& Guestrin 2008, J. Mach. Learn. Res. 9, 235). Runs are chosen one after the other (`chosen`).

No law is right, so two things are added that the draws leave out. Outside the table's compute a law
may drift off: its level and its N_opt walk at random in ln C, at the stated rates, so that only
runs on the way to the target show where they went, and much smaller runs show what holds there.
Without a table the walk begins at the target. And a run far from the optimum, or far below the
target, has an error of its own: the law's shape is believed to a tenth of what it says there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.forecast.believed import Believed, believed_of
from scaling.forecast.chosen import Joint, choose, gains
from scaling.forecast.forecasters import default
from scaling.forecast.frontier import COMPUTE
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollout import LEAST_ROWS
from scaling.forecast.rows import Rows, rows_of

Array = NDArray[np.float64]
Goal = Literal["loss", "n_opt", "regret"]
GOALS: tuple[Goal, ...] = get_args(Goal)

# Outside the data, sd of a law's drift in ln loss and in ln N_opt per root of an e-fold of compute.
LEVEL_DRIFT, SIZE_DRIFT = 0.005, 0.05
# A run's own error: of its elevation above the optimum, and per e-fold below the target.
_ELEVATION, _BELOW = 0.1, 0.0005
_STEP = 0.02  # in ln N, of a derivative along a budget
_TAIL = 0.005  # draws beyond are drawn in: a bootstrap may run away
LEAST_DRAWS = 100
_NORMAL_90 = 3.2897  # width of a normal's central 90 %, in standard deviations
_OTHER_C = 2.0  # a candidate's C so many times what its N and D cost counts other FLOPs


@dataclass(frozen=True)
class Candidate:
    """A run that could be trained: N, D in the table's counts; C: the FLOPs that it adds."""

    N: float
    D: float
    C: float
    key: str = ""


@dataclass(frozen=True)
class Width:
    """Of the 90 % interval at the target: of ln loss at the optimum, and of ln N_opt; regret: what
    training the N believed best loses, expected, in ln loss."""

    loss: float
    n_opt: float
    regret: float


@dataclass(frozen=True)
class Design:
    """The runs to train next.

    chosen: numbers of candidates, in order of choice. runs: these. gains: what each takes from the
    variance that is asked for, as a share of it, in that order. width_before, width_after: at the
    target now, and as expected once they are trained. spent: FLOPs. assumed: in words.
    """

    chosen: tuple[int, ...]
    runs: tuple[Candidate, ...]
    gains: tuple[float, ...]
    width_before: Width
    width_after: Width
    spent: float
    budget: float
    target: float
    goal: Goal
    assumed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        now, then = self.width_before, self.width_after
        lines = [
            f"{len(self.runs)} runs of {self.spent:.4g} FLOPs, of {self.budget:.4g}, for the "
            f"{_WORDS[self.goal]} at C = {self.target:.4g}",
            f"  loss     90 % interval {_percent(now.loss)} wide now, {_percent(then.loss)} "
            "expected",
            f"  N_opt    a factor of {np.exp(now.n_opt):.3g} wide now, {np.exp(then.n_opt):.3g} "
            "expected",
            f"  regret   {_percent(now.regret)} of the loss now, {_percent(then.regret)} expected",
        ]
        for run, gain in zip(self.runs, self.gains, strict=True):
            lines.append(
                f"  train    {run.key and run.key + ': '}N = {run.N:.4g} on D = {run.D:.4g}, C = "
                f"{run.C:.4g}: {gain:.1%} of the variance, {gain / run.C * self.spent:.2g} for "
                "its share of the FLOPs"
            )
        return "\n".join([*lines, *(f"  assumed  {words}" for words in self.assumed)])


_WORDS = {"loss": "loss", "n_opt": "size", "regret": "least regret"}


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def design(
    table: pd.DataFrame | None,
    candidates: Sequence[Candidate],
    *,
    target: float,
    budget: float,
    goal: Goal = "loss",
    draws: int = 2000,
    seed: int = 0,
    N: str = "N",
    where: str | None = None,
) -> Design:
    """The candidates to train, of at most `budget` FLOPs, so that the forecast at `target` FLOPs is
    as narrow as they can make it.

    table: the runs known; None or without rows: published priors alone. goal: what is narrowed: the
    loss at the optimum, ln N_opt, or the regret of training what is believed best. Raises
    InputError for a target inside the table, candidates beyond it or whose C is in other FLOPs than
    the table's, and for a budget that the cheapest is above.
    """
    _check(candidates, target, budget, goal, draws)
    n, d, c = (np.array([getattr(item, k) for item in candidates]) for k in ("N", "D", "C"))
    rows = None if table is None or table.empty else rows_of(table, N, where)
    if rows is not None:
        _check_against(rows, candidates, target)
    cost = Cost() if rows is None else rows.cost
    members, told = _members(rows, N, cost, draws, seed)
    plain = believed_of(rows, N=N, cost=cost, draws=0)
    joint, asked = joint_of(members, plain, n, d, target), GOALS.index(goal)
    picked = choose(joint, c, budget, asked)
    taken = gains(joint, picked)[:, asked] / joint.variance[asked]
    return Design(
        chosen=tuple(picked),
        runs=tuple(candidates[i] for i in picked),
        gains=tuple(taken.tolist()),
        width_before=_width(joint.variance),
        width_after=_width(joint.left(picked)),
        spent=float(c[picked].sum()),
        budget=budget,
        target=target,
        goal=goal,
        assumed=told,
    )


def joint_of(
    members: Sequence[Predictor], plain: Believed, N: Array, D: Array, target: float
) -> Joint:
    """ln losses of runs at N, D [n] and, at `target` FLOPs, ln loss, ln N_opt and the signed root
    of the regret of the size believed best (whose square's mean is the expected regret).

    members: whose draws are pooled; plain: whose point says how far from the optimum runs are.
    """
    best = [member.optimum(target) for member in members]
    size = np.exp(np.mean([np.log(o.N.point) for o in best]))
    seen, asked = [], []
    for member, own in zip(members, best, strict=True):
        at_size = member.loss(size, member.cost.tokens(target, size)).draws
        regret = np.log(np.maximum(at_size / own.loss.draws, 1.0))
        off = np.log(own.N.draws / size)
        quantities = np.array([np.log(own.loss.draws), off, np.sign(off) * np.sqrt(regret)])
        asked.append(_drawn_in(quantities))
        seen.append(_drawn_in(np.log(member.loss(N, D).draws).T))
    x, y = (np.concatenate(parts, axis=1) for parts in (seen, asked))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    covariance, with_them = x @ x.T / x.shape[1], y @ x.T / x.shape[1]
    variance = (y**2).mean(axis=1)

    C = plain.cost.flops_per_token(N) * D
    low, high = (plain.c_min, plain.c_max) if plain.c_max else (target, target)
    above, under = (np.log(np.maximum(ratio, 1.0)) for ratio in (C / high, low / C))
    walk = np.minimum(above[:, None], above) + np.minimum(under[:, None], under)
    end = float(np.log(target / high))
    up, tilt = _profile(plain, N, C)
    covariance += (LEVEL_DRIFT**2 + SIZE_DRIFT**2 * np.outer(tilt, tilt)) * walk
    # how a walk of ln N_opt moves each quantity: the root of the regret in proportion
    moved = np.array([0.0, 1.0, (y[1] @ y[2]) / max(y[1] @ y[1], 1e-300)])
    reach = np.minimum(above, end)
    with_them -= SIZE_DRIFT**2 * np.outer(moved, tilt * reach)
    with_them[0] += LEVEL_DRIFT**2 * reach
    variance += (SIZE_DRIFT * moved) ** 2 * end
    variance[0] += LEVEL_DRIFT**2 * end
    below = np.log(np.maximum(target / C, 1.0))
    noise = plain.noise**2 + (_ELEVATION * up) ** 2 + (_BELOW * below) ** 2
    return Joint(covariance, noise, with_them, variance)


def _profile(plain: Believed, N: Array, C: Array) -> tuple[Array, Array]:
    """ln loss above the optimum at C, and its derivative by ln N along the budget."""

    def ln_loss(N: Array) -> Array:
        return np.log(plain.loss(N, plain.cost.tokens(C, N)).point)

    up = np.maximum(ln_loss(N) - np.log(plain.optimum(C).loss.point), 0.0)
    step = np.exp(_STEP)
    return up, (ln_loss(N * step) - ln_loss(N / step)) / (2 * _STEP)


def _members(
    rows: Rows | None, N: str, cost: Cost, draws: int, seed: int
) -> tuple[list[Predictor], tuple[str, ...]]:
    """Whose draws are pooled, and in words what is assumed."""
    law = believed_of(rows, N=N, cost=cost, draws=draws, seed=seed)
    drift = (
        f"outside the table a law drifts by {LEVEL_DRIFT:.1%} of the loss and {SIZE_DRIFT:.0%} of "
        "N_opt per root of an e-fold"
    )
    noise = f"a run's ln loss has noise of {law.noise:.2g}"
    if rows is None or len(rows.C) < LEAST_ROWS:
        seen = 0 if rows is None else len(rows.C)
        words = f"draws of {law.law.formula} under published priors, given {seen} rows"
        return [law], (words, noise, drift)
    item, why = default(rows)
    own = item.make(rows.frame, N=N, draws=draws, seed=seed)
    words = (
        f"half the draws are of {item.name} ({why}), half of {law.law.formula} under published "
        "priors"
    )
    return [own, law], (words, noise, drift)


def _drawn_in(values: Array) -> Array:
    """Values [k, draws], the outermost of each row drawn in to a quantile."""
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL], axis=1, keepdims=True)
    return np.clip(values, low, high)


def _width(variance: Array) -> Width:
    loss, n_opt, regret = np.maximum(variance, 0.0).tolist()
    return Width(_NORMAL_90 * loss**0.5, _NORMAL_90 * n_opt**0.5, regret)


def _check(
    candidates: Sequence[Candidate], target: float, budget: float, goal: str, draws: int
) -> None:
    if goal not in GOALS:
        raise InputError(f"goal {goal!r}; valid: {', '.join(GOALS)}")
    if draws < LEAST_DRAWS:
        raise InputError(f"draws = {draws}: a design is made over draws; {LEAST_DRAWS} or more")
    for name, value in (("target compute", target), ("pilot budget", budget)):
        if not COMPUTE[0] <= value <= COMPUTE[1]:
            raise InputError(f"{name} = {value:g}; valid is {COMPUTE[0]:g} to {COMPUTE[1]:g} FLOPs")
    if not candidates:
        raise InputError("no candidates: a design chooses among runs that could be trained")
    for i, item in enumerate(candidates):
        for name in ("N", "D", "C"):
            value = getattr(item, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(
                    f"candidate {item.key or i}: {name} = {value:g}; valid is a finite number "
                    "above 0"
                )
    cheapest = min(candidates, key=lambda item: item.C)
    if budget < cheapest.C:
        raise InputError(
            f"pilot budget of {budget:.4g} FLOPs: the cheapest candidate, N = {cheapest.N:.4g} on "
            f"D = {cheapest.D:.4g}, takes {cheapest.C:.4g}"
        )


def _check_against(rows: Rows, candidates: Sequence[Candidate], target: float) -> None:
    """Raise InputError for a target inside the table, and where a candidate's C counts other FLOPs
    than the table's."""
    if target <= rows.C[-1]:
        raise InputError(
            f"target compute = {target:.4g}: {rows.source} has runs of up to {rows.C[-1]:.4g} "
            "FLOPs, so nothing is extrapolated there; valid is more"
        )
    for item in candidates:
        full = float(rows.cost.flops_per_token(item.N)) * item.D
        if item.C / full > _OTHER_C:
            raise InputError(
                f"candidate N = {item.N:.4g} on D = {item.D:.4g}: C = {item.C:.4g}, but by "
                f"{rows.source} ({rows.cost.kind}) it takes {full:.4g}; is its C in other FLOPs, "
                f"or its N no {rows.n_column}?"
            )
