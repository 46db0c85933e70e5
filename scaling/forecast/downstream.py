"""Two-step laws: from size or compute to a loss, from that loss to the accuracy on tasks.

Step 1 is any law of N and D, or of C; step 2 a law of its loss: `task_accuracy`, a sigmoid (Bhagia
et al. 2024, arXiv:2412.04403, eq. 2; Llama team 2024, arXiv:2407.21783, section 3.2.1), or
`gadre_error`, an exponential (Gadre et al. 2024, arXiv:2403.08540). Both are refitted to the same
resamples of runs, so that a draw is one world: a run that bends the first step bends the second in
the same draws, and what is said of accuracy carries the errors of both as they go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling import laws
from scaling.errors import InputError
from scaling.fit import Draws, Fit, Objective, fit, squared
from scaling.fit.draws import clusters_of, shared_weights
from scaling.fit.problem import Scale
from scaling.laws.law import Law
from scaling.table import check_table, select_rows

Array = NDArray[np.float64]

ACCURACY, ERROR = "accuracy", "error"
# The parameter of a second step that chance fixes, and its value there: what a model gets that
# knows nothing.
_CHANCE = {"task_accuracy": ("b", False), "gadre_error": ("eps", True)}
_FIRST = "a law of N and D, or of C, such as chinchilla, gadre, task_loss, task_loss_of_compute"


@dataclass(frozen=True)
class Outcome:
    """What a run is to reach. asked: its N, D or C. loss, accuracy: point and the central 90 % of
    the draws, of one new run; mean: the same of the accuracy without a run's own scatter.

    beyond: how far outside the rows of either step this lies, in words; empty where it is inside.
    """

    asked: Mapping[str, float]
    loss: tuple[float, float, float]
    accuracy: tuple[float, float, float]
    mean: tuple[float, float, float]
    beyond: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        named = {
            name: dict(zip(("point", "q05", "q95"), getattr(self, name), strict=True))
            for name in ("loss", "accuracy", "mean")
        }
        return {"asked": dict(self.asked), **named, "beyond": list(self.beyond)}


@dataclass(frozen=True, eq=False)
class TwoStep:
    """first: the loss; second: accuracy (or error) by that loss. chance: the accuracy of a model
    that knows nothing, where it was given; paired: whether draw i of both is of one resample."""

    first: Fit
    second: Fit
    chance: float | None
    paired: bool

    @property
    def through(self) -> str:
        """The variable that links the steps: the second one's own."""
        return self.second.law.variables[0]

    @property
    def chance_level(self) -> tuple[float, float, float]:
        """Accuracy of a model that knows nothing, as given or fitted: point and 90 % ends."""
        name, one_less = _CHANCE[self.second.law.name]
        low, high = self.second.interval(name)
        found = (self.second.params[name], low, high)
        return (1 - found[0], 1 - high, 1 - low) if one_less else found

    def loss(self, x: Mapping[str, float], *, noise: bool = False) -> Draws:
        """The loss of a run of N and D, or of C."""
        params = self.first.params_draws()
        draws = np.asarray(self.first.law.predict(**x, **params), dtype=float)
        draws = np.broadcast_to(draws, (len(self.first.draws),))
        return Draws(
            self.first.predict(**x), self.first.with_noise(draws) if noise and len(draws) else draws
        )

    def accuracy(self, x: Mapping[str, float], *, noise: bool = False) -> Draws:
        """The accuracy of a run of N and D, or of C; with `noise` of one new run, within 0 and 1.

        Draw i goes through draw i of both steps; of steps with different numbers of draws, as many
        as there are of both.
        """
        loss, params = self.loss(x, noise=noise), self.second.params_draws()
        both = min(len(loss.draws), len(self.second.draws))
        params = {name: values[:both] for name, values in params.items()}
        law, link = self.second.law, self.through
        point = law.predict(**{link: loss.point}, **self.second.params)
        draws = np.asarray(law.predict(**{link: loss.draws[:both]}, **params), dtype=float)
        if noise and len(draws):
            draws = np.clip(self.second.with_noise(draws, stream=2), 0.0, 1.0)
        if law.response == ERROR:
            point, draws = 1 - point, 1 - draws
        return Draws(np.asarray(point, dtype=float), draws)

    def outcome(
        self, N: float | None = None, D: float | None = None, C: float | None = None
    ) -> Outcome:
        """What a run of N and D, or one of C, is to reach; of C under a law of N and D, the run
        that the point estimate calls best. Raises InputError for what the first step cannot say."""
        x = self._asked(N, D, C)
        loss = self.loss(x, noise=True)
        asked = x if C is None else {"C": C, **x}
        return Outcome(
            asked,
            _ends(loss),
            _ends(self.accuracy(x, noise=True)),
            _ends(self.accuracy(x)),
            tuple(self._beyond(asked, float(loss.point))),
        )

    def _asked(self, N: float | None, D: float | None, C: float | None) -> dict[str, float]:
        given = {k: float(v) for k, v in {"N": N, "D": D, "C": C}.items() if v is not None}
        for name, value in given.items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} = {value:g}; must be a finite number above 0")
        wants = set(self.first.law.variables)
        if set(given) == wants:
            return given
        if set(given) == {"C"} and wants == {"N", "D"}:
            best = self.first.optimum(given["C"])
            return {"N": float(best.N.point), "D": float(best.D.point)}
        valid = "N and D, or C alone" if wants == {"N", "D"} else " and ".join(sorted(wants))
        raise InputError(
            f"{', '.join(given) or 'nothing'} given: law {self.first.law.name} takes {valid}"
        )

    def _beyond(self, asked: Mapping[str, float], loss: float) -> list[str]:
        """How far outside the rows of each step it is asked."""
        told = []
        largest = self.first.c_max or float(self.first.points.get("C", np.zeros(1)).max())
        C = asked.get("C") or float(
            asked["D"] * self.first.cost.flops_per_token(asked["N"]) if "N" in asked else 0.0
        )
        if largest and largest < 0.999 * C:
            told.append(
                f"{C / largest:.3g} times the compute of the largest run that step 1 was fitted to"
            )
        seen = self.second.points[self.through]
        low, high = float(seen.min()), float(seen.max())
        for past, side in ((low - loss, "below the lowest"), (loss - high, "above the highest")):
            if past > 0:
                told.append(
                    f"the loss of {loss:.4g} is {past:.3g} {side} that step 2 was fitted to "
                    f"({low:.4g} to {high:.4g}): {past / (high - low):.0%} of that range beyond it"
                )
        return told


def two_steps(
    table: pd.DataFrame,
    first: Law | str | Fit,
    second: str = "task_accuracy",
    *,
    chance: float | None = None,
    N: str = "N",
    where: str | None = None,
    where_first: str | None = None,
    objective: Objective | None = None,
    on: Scale = "log_loss",
    draws: int = 1000,
    seed: int = 0,
) -> TwoStep:
    """Fit both steps to a table's runs, or the second alone behind a saved first one.

    first: a law, or a Fit; of a Fit, the draws are paired with the second step's at random, since
    its resamples are not known any more. second: `task_accuracy` or `gadre_error`. chance: the
    accuracy of a model that knows nothing, else fitted. where: rows of both steps; where_first: of
    these, the rows of step 1. Step 2 takes the rows that have a loss and an accuracy (or an
    `error`), by least squares. objective, on: of step 1, as in `fit`.

    Raises InputError for laws that don't follow one another, for a chance outside 0 to 1, and for
    too few runs.
    """
    fixed = _at_chance(second, chance)
    law = first.law if isinstance(first, Fit) else first
    law = laws.get(law) if isinstance(law, str) else law
    if set(law.variables) not in ({"N", "D"}, {"C"}):
        raise InputError(f"law {law.name} is of {', '.join(law.variables)}: step 1 needs {_FIRST}")
    then = laws.get(second)
    if not table.index.is_unique:
        table = table.reset_index(drop=True)
    told, _ = select_rows(table, where)
    scores = _scores(told, law.response, then)
    how: dict[str, Any] = {"objective": squared(), "on": "loss", "fixed": fixed, "seed": seed}
    if isinstance(first, Fit):
        return TwoStep(first, fit(then, scores, draws=draws, **how), chance, paired=False)
    check_table(told.iloc[:0], tuple(N if name == "N" else name for name in law.variables))
    losses, _ = select_rows(told.dropna(subset=[law.response]), where_first)
    if draws == 0:
        own, other = None, None
    else:
        losses, scores, own, other = _resampled(
            (losses, law, 0, N), (scores, then, len(fixed), N), draws, seed
        )
    return TwoStep(
        fit(
            law,
            losses,
            objective=objective or Objective(),
            on=on,
            N=N,
            draws=draws,
            seed=seed,
            resamples=own,
        ),
        fit(then, scores, draws=draws, resamples=other, **how),
        chance,
        paired=True,
    )


def _at_chance(second: str, chance: float | None) -> dict[str, float]:
    """What is held of step 2 for a known chance level."""
    if second not in _CHANCE:
        raise InputError(f"step 2 {second!r}; valid: {', '.join(_CHANCE)}")
    if chance is None:
        return {}
    if not 0 <= chance < 1:
        raise InputError(f"chance = {chance:g}; must be at least 0 and below 1")
    name, one_less = _CHANCE[second]
    return {name: 1 - chance if one_less else chance}


def _scores(table: pd.DataFrame, loss: str, law: Law) -> pd.DataFrame:
    """The rows of step 2: those with a score, in the law's own columns."""
    other = {ACCURACY: ERROR, ERROR: ACCURACY}[law.response]
    if law.response not in table and other in table:
        table = table.assign(**{law.response: 1 - pd.to_numeric(table[other], errors="coerce")})
    check_table(table.iloc[:0], (loss, law.response))
    rows = table.dropna(subset=[loss, law.response])
    check_table(rows, (loss, law.response), zero=(law.response,))
    if (over := rows[law.response] > 1).any():
        raise InputError(
            f"{table.attrs.get('source', 'table')}: {law.response} above 1 in {int(over.sum())} "
            "rows; it is a share between 0 and 1"
        )
    return rows.assign(**{law.variables[0]: rows[loss]})


_Step = tuple[pd.DataFrame, Law, int, str]


def _resampled(
    first: _Step, second: _Step, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, Array, Array]:
    """The rows of both steps, their clusters numbered alike, and how often each step's own are in
    each replicate. A cluster that only one step has rows of is drawn all the same."""
    union = pd.concat([first[0], second[0]])
    union = union[~union.index.duplicated()]
    by, numbers = clusters_of(union)
    number = pd.Series(numbers, union.index)
    frames, fits, columns = [], [], []
    for rows, law, fixed, N in (first, second):
        own = number[rows.index].to_numpy()
        # Of one width, so that labels sort as numbers do.
        label = pd.Series(own, rows.index).map("{:09d}".format)
        frames.append(rows.assign(**{"trunk" if by == "trunk" else "run": label}))
        points = rows[[N if name == "N" else name for name in law.variables]]
        _, at = np.unique(points.to_numpy(dtype=float), axis=0, return_inverse=True)
        fits.append((own, at.reshape(-1), len(law.params) - fixed))
        columns.append(np.unique(own))
    counts = shared_weights(fits, draws, seed)
    return frames[0], frames[1], counts[:, columns[0]], counts[:, columns[1]]


def _ends(found: Draws) -> tuple[float, float, float]:
    low, high = found.interval()
    return float(found.point), float(low), float(high)
