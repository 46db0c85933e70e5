"""Rollouts: forecast a table's own larger runs from its smaller ones, again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.budgets import BUDGETS, budget_numbers
from scaling.forecast.forecasters import Forecaster
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.beyond import BUDGET, ROW, Beyond, Part, joined
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Errors, Growth
from scaling.forecast.rows import Rows, rows_of

Array = NDArray[np.float64]

LEAST_ROWS = 15  # that a cut leaves to fit
LEAST_SPAN = 3.9  # largest over smallest compute that a cut leaves to fit
LEAST_DISTANCE = 2.9  # over the cut: what is nearer is hardly an extrapolation
_ENOUGH = 500  # draws that tell a 90 % interval
_QUANTILES = np.linspace(0.3, 0.9, 7)  # of ln C: cuts of a table without budgets
EDGES = (LEAST_DISTANCE, 9.7, 29.0, 97.0, np.inf)  # budgets at 10x may be called so after rounding

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Rollout:
    """Forecasts of larger runs from smaller ones, beside what came out.

    rows: one line for each forecaster, cut and larger run: `forecaster cut C distance N D loss near
    gain prediction q05 q95 bare_q05 bare_q95 spread log_density`. budgets: one for each forecaster
    or naive rule, cut and larger budget: `forecaster cut C distance N_opt N_opt_q05 N_opt_q95
    bare_q05 bare_q95 spread loss_opt loss_opt_q05 loss_opt_q95 n_true n_true_se loss_true waste`
    (the last four NaN where the budget shows no minimum of its own; a rule has no intervals and no
    losses). q05, q95: the calibrated 90 % interval, from rows at or below the cut alone; `bare`
    ones are the forecaster's own. spread: of ln prediction by its own draws, as a standard
    deviation. distance: C / cut. near: within 5 % of the best loss for its compute. gain: ln of the
    lowest loss at or below the cut over this one, what more compute bought. log_density: of
    ln loss, by the calibrated forecast. waste: in % of compute. refused: what could not be
    forecast, and why.
    """

    rows: pd.DataFrame
    budgets: pd.DataFrame
    cuts: tuple[float, ...]
    refused: tuple[str, ...]
    source: str

    def _repr_html_(self) -> str:
        from scaling.forecast.card import rollout_card  # it reads a Rollout, so it comes after it

        return rollout_card(self)


def cuts_of(rows: Rows) -> list[float]:
    """The admissible cuts: each leaves 15 rows of 3.9x in compute, in 3 budgets where the table has
    them, and at least one row of 2.9x the cut."""
    if rows.budgets:
        number = budget_numbers(np.log(rows.C))
        ends = [float(rows.C[number == k].max()) for k in np.unique(number)][BUDGETS - 1 :]
    else:
        at = np.quantile(np.log(rows.C), _QUANTILES)
        ends = sorted({float(rows.C[np.log(rows.C) <= c].max()) for c in at})
    return [
        C
        for C in ends
        if (rows.C <= C).sum() >= LEAST_ROWS
        and LEAST_SPAN * rows.C[0] <= C
        and rows.C[-1] >= LEAST_DISTANCE * C
    ]


def rollout(
    table: pd.DataFrame,
    forecasters: Sequence[Forecaster],
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    where: str | None = None,
    progress: Progress | None = None,
) -> Rollout:
    """Every forecaster at every admissible cut of the table: fitted to the rows at or below it,
    held against those from 2.9 times the cut on.

    progress: is told how many forecasts are done, and of how many. Raises InputError where no cut
    is admissible, with how many budgets there are and are needed, or no forecaster could be made.
    """
    rows = rows_of(table, N, where)
    cuts = cuts_of(rows)
    if not cuts:
        raise InputError(f"{rows.source}: {no_cut(rows)}")
    return _told(_roll(rows, forecasters, cuts, draws, seed, progress))


def rollout_to(
    table: pd.DataFrame,
    forecasters: Sequence[Forecaster],
    max_compute: float,
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    where: str | None = None,
) -> Rollout:
    """Every forecaster at one cut: fitted to the rows of at most `max_compute` FLOPs, its intervals
    calibrated by the rollouts inside these, and held against every larger run and budget.

    Raises InputError where fewer than 3 budgets lie below the cut, or none above it.
    """
    rows = rows_of(table, N, where)
    if not (np.isfinite(max_compute) and rows.C[0] <= max_compute < rows.C[-1]):
        raise InputError(
            f"{rows.source}: a cut at C = {max_compute:g} leaves nothing on one side; its rows "
            f"have C from {rows.C[0]:.4g} to {rows.C[-1]:.4g}"
        )
    known = rows_of(rows.up_to(max_compute), N)
    levels = len(np.unique(budget_numbers(np.log(known.C))))
    if levels < BUDGETS:
        raise InputError(
            f"{rows.source}: {levels} distinct budget{'s' * (levels != 1)} at or below C = "
            f"{max_compute:g}; a rollout needs at least {BUDGETS}"
        )
    inside = _roll(known, forecasters, cuts_of(known), draws, seed)
    target = Beyond(rows, max_compute, max_compute)
    parts, refused = [target.rules()], list(inside.refused)
    for item in forecasters:
        try:
            predictor = calibrate(item.make(known.frame, N=N, draws=draws, seed=seed), inside, item)
            parts.append(target.held_against(predictor, item.name))
        except InputError as error:
            refused.append(f"{item.name} at C <= {max_compute:.3g}: {error}")
    return _told(_joined(parts, (max_compute,), refused, rows.source))


def _told(found: Rollout) -> Rollout:
    """Refuse rollouts in which nothing could be forecast."""
    if found.rows.empty:
        raise InputError(f"{found.source}: nothing could be forecast: {'; '.join(found.refused)}")
    return found


def calibrated(
    table: pd.DataFrame,
    forecasters: Sequence[Forecaster],
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    where: str | None = None,
    progress: Progress | None = None,
) -> tuple[list[Calibrated], Rollout]:
    """Predictors from all rows, their intervals calibrated by the table's own rollouts, and these.

    In a table that allows no rollout intervals rest on the forecasters' stated defaults. draws: of
    the predictors; rollouts take at most 500.
    """
    rows = rows_of(table, N, where)
    past = _roll(rows, forecasters, cuts_of(rows), min(draws, _ENOUGH), seed, progress)
    made = [item.make(rows.frame, N=N, draws=draws, seed=seed) for item in forecasters]
    return [calibrate(m, past, item) for m, item in zip(made, forecasters, strict=True)], past


def calibrate(predictor: Predictor, past: Rollout, item: Forecaster, seed: int = 0) -> Calibrated:
    """The predictor with intervals that carry this forecaster's past errors."""
    losses, sizes = loss_errors(past, item.name), size_errors(past, item.name)
    distances = past.rows.distance[past.rows.forecaster == item.name]
    return Calibrated(
        predictor,
        Growth.prior(item.loss_rate).given(losses),
        Growth.prior(item.n_rate).given(sizes),
        float(distances.max()) if len(distances) else 1.0,
        seed,
    )


def loss_errors(past: Rollout, name: str) -> Errors:
    """Errors of ln loss that a forecaster made, on the rows that are scored."""
    rows = past.rows
    own = rows[(rows.forecaster == name) & rows.near]
    C, cut, loss, prediction, spread = (
        own[k].to_numpy(dtype=float) for k in ("C", "cut", "loss", "prediction", "spread")
    )
    return Errors.of(C, cut, np.log(loss / prediction), spread)


def size_errors(past: Rollout, name: str) -> Errors:
    """Errors of ln N_opt that a forecaster made, where budgets show their own."""
    budgets = past.budgets
    own = budgets[(budgets.forecaster == name) & budgets.n_true.notna()]
    C, cut, n_true, n_true_se, N_opt, spread = (
        own[k].to_numpy(dtype=float) for k in ("C", "cut", "n_true", "n_true_se", "N_opt", "spread")
    )
    return Errors.of(C, cut, n_true - np.log(N_opt), np.hypot(spread, n_true_se))


def no_cut(rows: Rows) -> str:
    """Why there is nothing to roll out, in words."""
    levels = len(np.unique(budget_numbers(np.log(rows.C))))
    return (
        f"{levels} distinct budget{'s' * (levels != 1)}, {len(rows.C)} rows and "
        f"{rows.C[-1] / rows.C[0]:.3g}x in compute are too few for a rollout; it needs at least "
        f"{BUDGETS} budgets, {LEAST_ROWS} rows and {LEAST_SPAN:g}x in compute to fit, and a larger "
        f"budget of {LEAST_DISTANCE:g}x more"
    )


def _roll(
    rows: Rows,
    forecasters: Sequence[Forecaster],
    cuts: Sequence[float],
    draws: int,
    seed: int,
    progress: Progress | None = None,
) -> Rollout:
    """All cuts, ascending. Intervals at each are calibrated by what was known there: errors of the
    smaller cuts on rows that lie at or below this one."""
    targets = [Beyond(rows, cut, LEAST_DISTANCE * cut) for cut in cuts]
    parts = [target.rules() for target in targets]
    refused: list[str] = []
    done, total = 0, len(cuts) * len(forecasters)
    for item in forecasters:
        own: list[Part] = []
        for target in targets:
            past = _known_at(own, target.cut, rows.source)
            known = rows.up_to(target.cut)
            try:
                make = item.sketch or item.make
                made = make(known, N=rows.n_column, draws=draws, seed=seed)
                own.append(target.held_against(calibrate(made, past, item), item.name))
            except InputError as error:
                refused.append(f"{item.name} at C <= {target.cut:.3g}: {error}")
            done += 1
            if progress is not None:
                progress(done, total)
        parts += own
    return _joined(parts, cuts, refused, rows.source)


def _known_at(parts: Sequence[Part], cut: float, source: str) -> Rollout:
    known = [(rows[cut >= rows.C], budgets[cut >= budgets.C]) for rows, budgets in parts]
    return _joined(known, (), (), source)


def _joined(
    parts: Sequence[Part], cuts: Sequence[float], refused: Sequence[str], source: str
) -> Rollout:
    return Rollout(
        joined([part for part, _ in parts], ROW),
        joined([part for _, part in parts], BUDGET),
        tuple(cuts),
        tuple(refused),
        source,
    )
