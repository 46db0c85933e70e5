"""A run as its reader gave it, in our terms: settings, and a curve of steps, tokens and losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.importers.contract import LoggedRun, Scalar
from scaling.importing.curves import LOSS, STEP, TRAIN, D
from scaling.importing.mapping import CONVENTIONS, Column, Columns
from scaling.importing.shapes import Counts, counts
from scaling.importing.survey import Scope, number

_CURVE = ("step", "D", "loss", "train_loss")  # in the order of a curve's columns
_WORDS = ("family",)
# What a run has several values of stands for it by its greatest (a rate that warms up and decays),
# else by its last.
_GREATEST = ("learning_rate",)


@dataclass(frozen=True)
class Piece:
    """One start of a run. values: by our names; stated: conventions that its rows state; key: all
    its settings but what was measured, by which copies of one run are known; counts: parameters by
    its configuration; no_loss: a loss stands there, as NaN."""

    id: str
    name: str
    origin: str
    placed: bool
    started: float | None
    ended: str
    values: Mapping[str, float | str]
    stated: Mapping[str, str]
    config: Mapping[str, Scalar]
    counts: Counts | None
    points: np.ndarray
    notes: tuple[str, ...]
    nan_loss: bool


def piece(run: LoggedRun, columns: Columns) -> Piece:
    """What the columns are in this run."""
    logged, settings = Scope(run, settings=False), Scope(run, settings=True)
    values: dict[str, float | str] = {}
    for name, column in columns.by_name.items():
        if name in _CURVE:
            continue
        value = _evaluated(column, settings)
        if name in _WORDS:
            if isinstance(value, str):
                values[name] = value
        elif np.isfinite(one := _single(value, greatest=name in _GREATEST)):
            values[name] = one
    points, nan_loss = _points(run, columns, logged)
    config = _constants(run)
    return Piece(
        id=run.id,
        name=run.name,
        origin=run.origin,
        placed=run.placed,
        started=run.started,
        ended=run.ended,
        values=values,
        stated={k: str(config[k]) for k in CONVENTIONS if k in config},
        config=config,
        counts=counts(run.config) or counts(config),
        points=points,
        notes=run.notes,
        nan_loss=nan_loss,
    )


def counted(run: LoggedRun) -> Counts | None:
    """Its parameters by its configuration, or by settings that its log repeats in every row."""
    return counts(run.config) or counts(_constants(run))


def _constants(run: LoggedRun) -> dict[str, Scalar]:
    """Settings that a log repeats in each of its rows."""
    found: dict[str, Scalar] = {}
    for name, values in run.history.items():
        if len(values) and (values == values[0]).all():
            found[name] = values[0].item()
    return {**found, **run.config}


def _evaluated(column: Column, scope: Scope) -> Any:
    if any(name not in scope for name in column.made_of.columns):
        return None
    return column.made_of(scope)


def _single(value: Any, *, greatest: bool) -> float:
    if isinstance(value, np.ndarray):
        finite = value[np.isfinite(value)]
        if not len(finite):
            return float("nan")
        return float(finite.max() if greatest else finite[-1])
    return number(value)


def _of_the_whole(series: list[Any]) -> float | None:
    """Tokens that are the same in every row, while steps go on: those of the whole run."""
    steps, tokens = series[STEP], series[D]
    if not isinstance(steps, np.ndarray) or not isinstance(tokens, np.ndarray):
        return None
    known, distinct = np.unique(tokens[np.isfinite(tokens)]), np.unique(steps[np.isfinite(steps)])
    return float(known[0]) if len(known) == 1 and len(distinct) > 2 else None


def _points(run: LoggedRun, columns: Columns, logged: Scope) -> tuple[np.ndarray, bool]:
    """The curve, of the rows that hold a loss and the last one; and whether its loss is NaN."""
    series: list[Any] = [
        _evaluated(columns[name], logged) if name in columns else None for name in _CURVE
    ]
    if (tokens := _of_the_whole(series)) is not None:
        series[D] = tokens
    length = max((len(v) for v in series if isinstance(v, np.ndarray)), default=1)
    points = np.full((length, len(_CURVE)), np.nan)
    for i, value in enumerate(series):
        if isinstance(value, np.ndarray):
            points[:, i] = value
        elif value is not None:  # one value of the whole run: that of its end
            points[-1, i] = number(value)
    nan_loss = series[LOSS] is not None and np.isnan(points[:, LOSS]).all()
    if length > 1:
        told = ~np.isnan(points[:, LOSS]) | ~np.isnan(points[:, TRAIN])
        told[-1] = True  # how far the run came
        points = points[told]
    return points, bool(nan_loss)
