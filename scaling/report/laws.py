"""The laws of a report: fits pooled by a rule, and how forecasts by it fared on its own table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit import Fit, Objective, fit
from scaling.fit.draws import Kind
from scaling.forecast.decisions.crossing import side_by_side
from scaling.forecast.forecasters import Forecaster
from scaling.forecast.grounds import Grounds, facts, told
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Growth
from scaling.forecast.rollouts.reliability import reliability
from scaling.forecast.rollouts.rollout import Rollout, calibrate, rollout
from scaling.forecast.rows import rows_of
from scaling.forecast.ruled import families_of, fits
from scaling.forecast.rules import by_rules
from scaling.report.pooled import Pooled, pooled
from scaling.report.study import Study, Told
from scaling.table import FAMILY, conventions, select_rows

ROLLED = 200  # rows that rollouts are made of: more cost time and tell hardly more
MANY = 5_000  # rows that are bootstrapped at most
_DRAWS = 200  # of each forecast of a rollout, enough for a 90 % interval
_TABLE_DRAWS = 500
_SIDE_BY_SIDE = 500  # draws of each family, side by side

Fits = Callable[[pd.DataFrame, int], Sequence[Fit]]  # of a table and a number of draws


def of_rule(
    members: Sequence[Fit],
    table: pd.DataFrame,
    again: Fits,
    *,
    N: str,
    where: str | None,
    discrepancy: float | None,
) -> Grounds:
    """The fits as one predictor, with what its rollouts on the table tell.

    members: fitted to all rows. again: the same rule on other rows. discrepancy: as the rule states
    it; None where intervals are to grow beyond the data as the rollouts erred.
    """
    fitted = pooled(members, discrepancy or 0.0)
    law = members[0].law
    if set(law.variables) != {"N", "D"} or law.response != "loss":
        return Grounds(fitted, (told(members[0]),), facts(members[0]), kinds=fitted.conventions)
    rows = rows_of(table, N, where)

    def make(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Pooled:
        return pooled(again(table, draws))

    item = Forecaster(law.name, "", make)
    past, note = _past(rows.frame, item, N)
    if discrepancy is None:
        fitted = _widened(fitted, past, item)
    elif past is not None:
        fitted = replace(fitted, checked=float(past.rows.distance.max()))
    record_at = None if past is None else partial(reliability, past, item.name)
    return Grounds(
        fitted, (told(members[0]), note), facts(members[0]), naive=partial(by_rules, rows),
        kinds=rows.kinds, record_at=record_at,
    )  # fmt: skip


def of_fit(fitted: Fit) -> Grounds:
    """A saved fit: its table is not at hand, so nothing is rolled out."""
    note = "the fit's table is not at hand, so no rollout could check its forecasts"
    return Grounds(pooled([fitted]), (told(fitted), note), facts(fitted), kinds=fitted.conventions)


def _past(frame: pd.DataFrame, item: Forecaster, N: str) -> tuple[Rollout | None, str]:
    """Rollouts of an even sample of the rows in order of compute, and what was rolled out."""
    rows, source = len(frame), frame.attrs["source"]
    if rows > ROLLED:
        frame = frame.iloc[np.linspace(0, rows - 1, ROLLED).astype(int)]
        frame.attrs["source"] = source
    try:
        past = rollout(frame, [item], N=N, draws=_DRAWS)
    except InputError as error:
        return None, f"no rollout: {str(error).removeprefix(f'{source}: ')}"
    cuts = f"{len(past.cuts)} cut{'s' * (len(past.cuts) != 1)}"
    of = f"all {rows:,} rows" if rows <= ROLLED else f"{ROLLED} of {rows:,} rows, even in compute"
    return past, f"rollouts at {cuts} of {of}"


def _widened(fitted: Pooled, past: Rollout | None, item: Forecaster) -> Pooled:
    """The predictor with intervals that carry the rollouts' errors, or the stated default's."""
    if past is None:
        return replace(
            fitted, loss_growth=Growth.prior(item.loss_rate), n_growth=Growth.prior(item.n_rate)
        )
    grown: Calibrated = calibrate(fitted.predictor, past, item)
    kept: dict[str, Any] = {
        name: getattr(grown, name) for name in ("loss_growth", "n_growth", "checked")
    }
    return replace(fitted, **kept)


def fit_rule(study: Study, told: Told) -> None:
    """Fit the rule of the study's forecast to the pilots of each family, and take down what could
    not be; chinchilla on N_total where nothing was forecast, with intervals by its rollouts."""
    assert study.table is not None  # the caller looked
    if study.forecast is None:  # no rule was stated: then as a table is fitted
        N = study.rule.N if study.rule.N in study.table else "N"
        study.rule = study.rule.model_copy(update={"N": N, "draws": _TABLE_DRAWS})
    rule = study.rule
    try:
        study.kinds = conventions(study.table)
        parts = families_of(study.table, rule)
    except InputError as error:
        study.missing.append(f"No law could be fitted: {told(error)}.")
        return

    def again(part: pd.DataFrame, draws: int) -> Sequence[Fit]:
        return fits(part, rule.model_copy(update={"draws": draws, "where": None}))

    for name, part in parts.items():
        with _taken_down(study, name, told):
            stated = None if study.forecast is None else rule.discrepancy
            _keep(study, name, of_rule(fits(part, rule), part, again, N=rule.N, where=rule.where,
                                       discrepancy=stated))  # fmt: skip
    held = {name: values[0] for name, values in rule.fixed.items() if len(values) == 1}
    objective = Objective(rule.objective, rule.delta)
    _set_side_by_side(
        study, told, rule.law, objective=objective, N=rule.N, where=rule.where,
        draws=min(rule.draws, _SIDE_BY_SIDE), fixed=held,
    )  # fmt: skip


def fit_law(study: Study, law: str, told: Told, *, N: str, where: str | None) -> None:
    """Fit a law to a table's rows, those of each family apart, and take down what could not be."""
    table = study.table
    assert table is not None  # the caller read it
    chosen, _ = select_rows(table, where, by=FAMILY)
    study.kinds = conventions(chosen)
    names = sorted({str(name) for name in chosen[FAMILY].dropna()}) if FAMILY in chosen else []
    study.chosen = tuple(names)
    parts = {n: table[table[FAMILY] == n] for n in names} if len(names) > 1 else {"": table}
    # A bootstrap of so many rows takes minutes; the sandwich's normal draws of all rows do not.
    kind: Kind = "laplace" if len(chosen) > MANY else "cluster"

    def again(part: pd.DataFrame, draws: int) -> Sequence[Fit]:
        return [fit(law, part, N=N, draws=draws)]

    for name, part in parts.items():
        with _taken_down(study, name, told):
            fitted = fit(law, part, N=N, where=where, draws=_TABLE_DRAWS, kind=kind)
            _keep(study, name, of_rule([fitted], part, again, N=N, where=where, discrepancy=None))
    _set_side_by_side(study, told, law, N=N, where=where, draws=_SIDE_BY_SIDE)


@contextmanager
def _taken_down(study: Study, family: str, told: Told) -> Iterator[None]:
    """A law that cannot be fitted is told of, and the report goes on."""
    try:
        yield
    except InputError as error:
        whose = f" of {family}" if study.families else ""
        study.missing.append(f"No law{whose} could be fitted: {told(error)}.")


def _keep(study: Study, name: str, grounds: Grounds) -> None:
    assert isinstance(grounds.predictor, Pooled)  # as `of_rule` makes them
    study.fits[name], study.grounds[name] = grounds.predictor, grounds


def _set_side_by_side(study: Study, told: Told, law: str, **settings: Any) -> None:
    """Several families under one law; of a rule's several fixed values none is held here."""
    assert study.table is not None  # the caller looked
    if len(study.fits) < 2:
        return
    try:
        study.views = side_by_side(law, study.table, **settings)
    except InputError as error:
        study.missing.append(f"The families side by side: {told(error)}.")
