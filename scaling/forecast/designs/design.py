"""Which runs to train next: those that narrow the forecast at a target most for what they cost.

What a candidate's loss would tell of the target (`prospect`) is known before it is trained, so runs
are chosen one after the other by what each adds to those before, for its FLOPs (`chosen`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.cost import Cost, cost_of
from scaling.errors import InputError
from scaling.forecast.designs.chosen import choose, gains
from scaling.forecast.designs.prospect import Ground, ground_of, joint_of
from scaling.forecast.frontier import COMPUTE
from scaling.forecast.rows import Rows, rows_of

Array = NDArray[np.float64]
Goal = Literal["loss", "n_opt", "regret"]
GOALS: tuple[Goal, ...] = get_args(Goal)

LEAST_DRAWS = 100
TOLD = 20  # runs that are told one by one
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
        count = f"{len(self.runs)} run{'s' if len(self.runs) != 1 else ''}"
        lines = [
            f"{count} of {self.spent:.4g} FLOPs, of {self.budget:.4g}, for the "
            f"{_WORDS[self.goal]} at C = {self.target:.4g}",
            f"  loss     90 % interval {_percent(now.loss)} wide now, {_percent(then.loss)} "
            "expected",
            f"  N_opt    a factor of {np.exp(now.n_opt):.3g} wide now, {np.exp(then.n_opt):.3g} "
            "expected",
            f"  regret   {_percent(now.regret)} of the loss now, {_percent(then.regret)} expected",
        ]
        for run, gain in list(zip(self.runs, self.gains, strict=True))[:TOLD]:
            share = gain / (run.C / self.spent)
            lines.append(
                f"  train    {run.key and f'{run.key}  '}N = {run.N:.4g} on D = {run.D:.4g}, C = "
                f"{run.C:.3g}: {100 * gain:.2g} % of the variance, {share:.2g} x its share of the "
                "FLOPs"
            )
        if len(self.runs) > TOLD:
            rest = 100 * sum(self.gains[TOLD:])
            lines.append(
                f"  train    and {len(self.runs) - TOLD} more: {rest:.2g} % of the variance"
            )
        return "\n".join([*lines, *(f"  assumed  {words}" for words in self.assumed)])

    def _repr_html_(self) -> str:
        from scaling.forecast.card import design_card  # it reads a Design, so it comes after it

        return design_card(self)


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
    most: int | None = None,
) -> Design:
    """The candidates to train, for at most `budget` FLOPs and `most` of them, so that the forecast
    at `target` FLOPs is as narrow as they can make it.

    table: the runs known; None or without rows: published priors alone. goal: what is narrowed: the
    loss at the optimum, ln N_opt, or the regret of training what is believed best. Raises
    InputError for a target inside the table, for candidates whose C is in other FLOPs than the
    table's, for a budget that the cheapest is above, and for few rows of what the priors don't
    speak of.
    """
    _check(candidates, target, budget, goal, draws)
    n, d, c = columns(candidates)
    rows = None if table is None or table.empty else rows_of(table, N, where)
    if rows is not None:
        _check_against(rows, candidates, target)
    ground = known(rows, candidates, N, draws, seed)
    joint, asked = joint_of(ground, n, d, target), GOALS.index(goal)
    picked = choose(joint, c, budget, asked, most)
    taken = gains(joint, picked)[:, asked] / joint.variance[asked]
    return Design(
        chosen=tuple(picked),
        runs=tuple(candidates[i] for i in picked),
        gains=tuple(taken.tolist()),
        width_before=width_of(joint.variance),
        width_after=width_of(joint.left(picked)),
        spent=float(c[picked].sum()),
        budget=budget,
        target=target,
        goal=goal,
        assumed=ground.words,
    )


def columns(candidates: Sequence[Candidate]) -> tuple[Array, Array, Array]:
    """N, D and C of candidates."""
    n, d, c = (np.array([getattr(item, k) for item in candidates]) for k in ("N", "D", "C"))
    return n, d, c


def known(
    rows: Rows | None, candidates: Sequence[Candidate], N: str, draws: int, seed: int
) -> Ground:
    """What is known before any candidate is trained."""
    cost = _cost(*columns(candidates)) if rows is None else rows.cost
    return ground_of(rows, N, cost, draws, seed)


def _cost(N: Array, D: Array, C: Array) -> Cost:
    """What a token costs, where no table says so: the most that a candidate of each size adds, for
    one that goes on from another adds less than it takes."""
    most = {float(size): i for i, size in sorted(enumerate(N), key=lambda at: C[at[0]] / D[at[0]])}
    at = list(most.values())
    return cost_of(N[at], D[at], C[at])


def width_of(variance: Array) -> Width:
    """Of the quantities' variances, in the order of `GOALS`."""
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
