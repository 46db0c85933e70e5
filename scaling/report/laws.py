"""The laws of a report: fits pooled by a rule, and how forecasts by it fared on its own table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.calibrated import Calibrated
from scaling.forecast.forecasters import Forecaster
from scaling.forecast.grounds import Grounds, facts, told
from scaling.forecast.growth import Growth
from scaling.forecast.reliability import reliability
from scaling.forecast.rollout import Rollout, calibrate, rollout
from scaling.forecast.rows import rows_of
from scaling.forecast.rules import by_rules
from scaling.report.pooled import Pooled, pooled

ROLLED = 500  # rows that rollouts are made of: more cost time and tell hardly more
_DRAWS = 200  # of each forecast of a rollout, enough for a 90 % interval

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

    def make(part: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Pooled:
        return pooled(again(part, draws))

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
