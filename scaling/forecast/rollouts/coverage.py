"""How often intervals hold: actual against nominal coverage, on tables whose truth is known.

Synthetic tables are drawn, forecasters read them, and their intervals are held against a new run's
loss and against N_opt, inside the runs and beyond them. Each table gives one answer to a question,
so answers are independent and a coverage has a binomial error: Wilson's interval (Wilson 1927).
Coverage alone is cheap, wide intervals have it; the interval score beside it (Gneiting & Raftery
2007, eq. 43) charges for width and for what lies outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.forecast.forecasters import Forecaster, Make, default, get
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.rollout import Progress, calibrated, rollout
from scaling.forecast.rollouts.scores import scores
from scaling.forecast.rollouts.truths import C_MAX, DESIGNS, TRUTHS, Case
from scaling.forecast.rows import Rows, rows_of

LEVELS = (0.50, 0.80, 0.90, 0.95)
NOISES = (0.002, 0.005, 0.01)
DEFAULT = "default"
CALIBRATED = "calibrated "
DEFAULTS = (DEFAULT, CALIBRATED + DEFAULT)
OWN = "own law"  # the forecaster that knows which law the truth follows
Scale = Callable[[Any], Any]
# Where widths and errors are told: per cent of a loss, decades of N.
SCALES: Mapping[str, Scale] = {"loss": lambda v: 100 * np.log(v), "N_opt": np.log10}
DISTANCES: Mapping[str, float] = {"inside": 1.0, "10x": 10.0, "100x": 100.0}
_INSIDE = 30.0  # questions inside the runs: down to the largest budget over this
SCORED = 0.90  # the level whose width and interval score are told
_Z = 1.959964  # of a Wilson interval of 95 %


@dataclass(frozen=True, eq=False)
class Coverage:
    """Answers, one row each, and which tables a forecaster refused.

    answers: `law`, `design`, `noise`, `replication`, `forecaster`, `quantity` ("loss" of a new run
    or "N_opt"), `distance`, whether the interval of each of LEVELS `held` the truth (columns "held
    0.9", ...), then of the 90 % interval `width` and `score`, and the point's `error`: in per cent
    for losses (of ln loss), in log10 for N_opt.
    """

    answers: pd.DataFrame
    refused: tuple[str, ...] = ()

    def by(self, *columns: str) -> pd.DataFrame:
        """One row a group of `forecaster`, `quantity`, `distance` and these columns.

        n: answers. For each level `actual 0.9`, with Wilson's 95 % interval `low 0.9`, `high 0.9`;
        medians of `width` and `error` (its size), and the mean `score`.
        """
        keys = [*columns, "forecaster", "quantity", "distance"]
        rows = []
        for key, group in self.answers.groupby(keys, sort=False):
            row: dict[str, Any] = {**dict(zip(keys, key, strict=True)), "n": len(group)}
            for level in LEVELS:
                held = int(group[f"held {level}"].sum())
                low, high = wilson(held, len(group))
                row |= {f"actual {level}": held / len(group)}
                row |= {f"low {level}": low, f"high {level}": high}
            row |= {"width": group["width"].median(), "score": group["score"].mean()}
            rows.append({**row, "error": group["error"].abs().median()})
        return pd.DataFrame(rows)

    def words(self) -> list[str]:
        """What cannot be chance: each forecaster's 90 % intervals that hold too rarely or often."""
        found = []
        for row in self.by().to_dict("records"):
            low, high = row[f"low {SCORED}"], row[f"high {SCORED}"]
            if low <= SCORED <= high:
                continue
            kind = "too narrow" if high < SCORED else "too wide"
            found.append(
                f"{row['forecaster']}: {100 * SCORED:g} % intervals of {row['quantity']} "
                f"{row['distance']} are {kind}: they held {100 * row[f'actual {SCORED}']:.0f} %"
            )
        return found

    def to_dict(self, *columns: str) -> dict[str, Any]:
        return {"coverage": self.by(*columns).to_dict("records"), "refused": list(self.refused)}


def wilson(held: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a probability of which `held` of `n` trials came true (Wilson 1927)."""
    share = held / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def share(row: Mapping[Any, Any], level: float) -> str:
    """A row of `Coverage.by` at a level, in per cent: actual coverage [Wilson's interval]."""
    actual, low, high = (100 * row[f"{name} {level}"] for name in ("actual", "low", "high"))
    return f"{actual:.0f} [{low:.0f}, {high:.0f}]"


def cases(
    truths: Sequence[str] = tuple(TRUTHS),
    designs: Sequence[str] = tuple(DESIGNS),
    noises: Sequence[float] = NOISES,
    replications: int = 20,
    seed: int = 0,
) -> list[Case]:
    """The tables of a study: every law, design and noise, so many times."""
    if replications < 1:
        raise InputError(f"replications = {replications}: at least 1 is needed")
    combinations = product(truths, designs, noises, range(replications))
    return [Case(law, design, noise, i, seed) for law, design, noise, i in combinations]


def coverage(
    asked: Sequence[Case],
    forecasters: Mapping[str, Make],
    *,
    own: bool = True,
    draws: int = 200,
    progress: Progress | None = None,
) -> Coverage:
    """Every forecaster's intervals on every table.

    forecasters: ways from a table to a predictor, by name. own: first by OWN, a fit of the very
    law that the truth follows, and by no other forecaster of that law's name. A table that a
    forecaster refuses (InputError) is told, not counted. progress: is told how many tables are
    done, and of how many. Raises InputError where all are refused.
    """
    answers: list[dict[str, Any]] = []
    refused: list[str] = []
    for i, case in enumerate(asked):
        if progress is not None:
            progress(i, len(asked))
        made = dict(forecasters)
        if own:
            made.pop(case.law, None)
            made = {OWN: get(case.law).make, **made}
        for name, make in made.items():
            try:
                predictor = make(case.table, N="N", draws=draws, seed=case.replication)
                answers += [{"forecaster": name, **answer} for answer in _answers(case, predictor)]
            except InputError as error:
                refused.append(f"{name} on {case}: {error}")
    if not answers:
        raise InputError(f"no forecaster took any table: {refused[0] if refused else 'none asked'}")
    return Coverage(pd.DataFrame(answers), tuple(refused))


def maker(name: str) -> Make:
    """The forecaster of that name, with its own intervals. DEFAULT: the default for the table's
    rows. A name after CALIBRATED: with intervals that the table's own rollouts calibrate.

    Raises InputError for a name that no forecaster has.
    """
    plain = name.removeprefix(CALIBRATED)
    if plain != DEFAULT:
        get(plain)

    def make(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Predictor:
        item = _chosen(plain, rows_of(table, N))
        if name == plain:
            return item.make(table, N=N, draws=draws, seed=seed)
        return calibrated(table, [item], N=N, draws=draws, seed=seed)[0][0]

    return make


def _chosen(name: str, rows: Rows) -> Forecaster:
    return default(rows)[0] if name == DEFAULT else get(name)


def on_table(
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """How often nominal 90 % intervals held a real table's own larger runs: `scores` of rollouts.

    One row a forecaster and bin of distance, with `loss_bare_coverage` and `size_bare_coverage` of
    the forecaster's own intervals, and `loss_coverage` and `size_coverage` of calibrated ones.
    Raises InputError for a table that is too small for rollouts.
    """
    rows = rows_of(table, N)
    chosen = [_chosen(name, rows) for name in dict.fromkeys(names)]
    found = rollout(table, chosen, N=N, draws=draws, seed=seed, progress=progress)
    told = scores(found)
    return told[told["forecaster"].isin([item.name for item in chosen])].reset_index(drop=True)


def _answers(case: Case, predictor: Predictor) -> Iterator[dict[str, Any]]:
    """Two answers at each distance: the loss of one new run near the optimum, and N_opt."""
    generator = case.generator("questions")
    C = C_MAX * np.array(list(DISTANCES.values()))
    C[0] /= _INSIDE ** generator.uniform()
    best = case.truth.optimum(C).N.point
    N = best * 2 ** generator.uniform(-1, 1, size=len(C))
    D = C / (6 * N)
    seen = case.observe(N, D, generator)
    told = (
        ("loss", predictor.loss(N, D, noise=True), seen),
        ("N_opt", predictor.optimum(C).N, best),
    )
    known = {name: getattr(case, name) for name in ("law", "design", "noise", "replication")}
    for quantity, draws, truth in told:
        for i, distance in enumerate(DISTANCES):
            one = Draws(draws.point[i], draws.draws[:, i])
            where = {**known, "quantity": quantity, "distance": distance}
            yield {**where, **judge(one, float(truth[i]), SCALES[quantity])}


def judge(told: Draws, truth: float, scale: Scale) -> dict[str, Any]:
    """Whether each interval held the truth; width, score and error on a scale.

    Score: width plus 2/(1 - level) times what the truth lies outside, of the SCORED level.
    """
    found: dict[str, Any] = {}
    for level in LEVELS:
        low, high = told.interval(level)
        found[f"held {level}"] = bool(low <= truth <= high)
    low, high = (scale(end) for end in told.interval(SCORED))
    value = scale(truth)
    outside = max(low - value, value - high, 0.0)
    found |= {"width": high - low, "score": high - low + 2 / (1 - SCORED) * outside}
    return {**found, "error": scale(told.point) - value}
