"""What a forecast from a table rests on: its default forecaster, one law or several. Each with what
must be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from scaling.fit.fitting import fit
from scaling.fit.result import Fit
from scaling.fit.rows import law_for
from scaling.forecast.forecasters import Forecaster, Make, default
from scaling.forecast.grounds import Grounds, facts, told
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.reliability import reliability
from scaling.forecast.rollouts.rollout import Progress, Rollout, calibrated, no_cut
from scaling.forecast.rollouts.scores import as_good_rules, record
from scaling.forecast.rollouts.select import compare
from scaling.forecast.rows import Rows, rows_of
from scaling.forecast.rules import by_rules
from scaling.laws.law import Law


def of_default(
    table: pd.DataFrame,
    *,
    N: str = "N",
    where: str | None = None,
    draws: int = 4000,
    seed: int = 0,
    rollouts: bool = True,
    progress: Progress | None = None,
) -> Grounds:
    """The forecaster that the table's layout calls for, calibrated by its rollouts."""
    rows = rows_of(table, N, where)
    item, why = default(rows)
    return _of_one(
        rows, item, f"{item.name}: {item.words} ({why})", draws, seed, rollouts, progress
    )


def of_law(
    table: pd.DataFrame,
    law: Law | str,
    *,
    N: str = "N",
    where: str | None = None,
    rollouts: bool = True,
    progress: Progress | None = None,
    **settings: Any,
) -> Grounds:
    """A law fitted under these settings of `fit`; calibrated where it is one of N and D.

    A posterior is sampled of all rows alone: at the cuts of rollouts, where chains would take
    minutes, the law is fitted without priors, with normal draws ("laplace").
    """
    law = law_for(law, table, N)
    draws, seed = settings.get("draws", 1000), settings.get("seed", 0)
    if set(law.variables) != {"N", "D"} or law.response != "loss":
        fitted = fit(law, table, N=N, where=where, **settings)
        return Grounds(fitted, (told(fitted),), facts(fitted))

    def way(**other: Any) -> Make:
        def make(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Fit:
            return fit(law, table, N=N, **{**settings, "draws": draws, "seed": seed, **other})

        return make

    rows = rows_of(table, N, where)
    slow = settings.get("kind") == "posterior"
    item = Forecaster(law.name, "", way(), sketch=way(kind="laplace") if slow else None)
    return _of_one(rows, item, "", draws, seed, rollouts, progress)


def of_laws(
    table: pd.DataFrame,
    forecasters: Sequence[Forecaster],
    *,
    N: str = "N",
    where: str | None = None,
    draws: int = 4000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Grounds:
    """The average of several, weighted by how they predicted the table's own larger runs."""
    found = compare(table, forecasters, N=N, where=where, draws=draws, seed=seed, progress=progress)
    rows = rows_of(table, N, where)
    weights = {item.name: item.weight for item in found.standings}
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    best = record(found.rollout, found.standings[0].name)
    return Grounds(
        found.average,
        (f"average of {shares} on {len(rows.C)} rows of {rows.source}", f"best: {best}"),
        {
            "law": "average",
            "weights": weights,
            "n_rows": len(rows.C),
            "status": "averaged",
            "record": _plain(found.rollout, found.standings[0].name),
        },
        (str(best),) if best is not None and best.fails else (),
        partial(by_rules, rows),
        rows.kinds,
        partial(reliability, found.rollout, found.standings[0].name),
    )


def _of_one(
    rows: Rows,
    item: Forecaster,
    words: str,
    draws: int,
    seed: int,
    rollouts: bool,
    progress: Progress | None,
) -> Grounds:
    naive = partial(by_rules, rows)
    if not rollouts or draws == 0:
        made = item.make(rows.frame, N=rows.n_column, draws=draws, seed=seed)
        lines, known = _behind(made, rows, item, words)
        return Grounds(made, lines, known, naive=naive, kinds=rows.kinds)
    (predictor,), past = calibrated(
        rows.frame, [item], N=rows.n_column, draws=draws, seed=seed, progress=progress
    )
    lines, known = _behind(predictor.predictor, rows, item, words)
    score = record(past, item.name)
    if score is None:
        why = "; ".join(past.refused) or no_cut(rows)
        lines += (f"intervals rest on stated defaults: {why}",)
    elif not score.fails:
        lines += (str(score),)
    if item.sketch is not None and past.cuts:
        lines += (f"rollouts are of {item.name} without priors, with normal draws",)
    lines += tuple(as_good_rules(past, item.name))
    known |= {
        "calibrated": _growth(predictor),
        "record": _plain(past, item.name),
        "as_good": as_good_rules(past, item.name),
    }
    warnings = (str(score),) if score is not None and score.fails else ()
    record_at = partial(reliability, past, item.name)
    return Grounds(predictor, lines, known, warnings, naive, rows.kinds, record_at)


def _behind(
    made: Predictor, rows: Rows, item: Forecaster, words: str
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What a predictor was made of, in a line and as facts."""
    if isinstance(made, Fit):
        return tuple(filter(None, (words, told(made)))), facts(made)
    notes = tuple(getattr(made, "notes", ()))
    line = f"{words}, on {len(rows.C)} rows of {rows.source}"
    known = {"law": item.name, "n_rows": len(rows.C), "status": "; ".join(("fitted", *notes))}
    return (line, *notes), known


def _growth(predictor: Calibrated) -> dict[str, float]:
    return {
        "loss_rate": predictor.loss_growth.typical,
        "n_rate": predictor.n_growth.typical,
        "checked": predictor.checked,
    }


def _plain(past: Rollout, name: str) -> dict[str, Any] | None:
    found = record(past, name)
    return None if found is None else {**asdict(found), "fails": found.fails}
