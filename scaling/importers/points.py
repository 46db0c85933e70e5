"""Points of several curves, each logged by itself, as rows.

Tools that log each value by itself tell of one step several times, not always at once: a reading of
held-out data may come after later losses. Its row is that of its step, unless the run was restarted
in between: where a name's own steps go back, the rows begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Points:
    """Of one name: when its points were logged (anything that sorts them among those of other
    names), at which steps, their times, their values."""

    name: str
    order: np.ndarray
    steps: np.ndarray
    times: np.ndarray
    values: np.ndarray

    def of(self, chosen: np.ndarray) -> Points:
        """Some of them, or all in another order."""
        each = (self.order, self.steps, self.times, self.values)
        return Points(self.name, *(one[chosen] for one in each))


def rows(points: Sequence[Points], step: str, time: str) -> Mapping[str, np.ndarray]:
    """A history with `step` and `time` under these names, and a column a name."""
    if not points:
        return {}
    names = list(dict.fromkeys(each.name for each in points))
    name = np.repeat([names.index(each.name) for each in points], [len(p.steps) for p in points])
    whole = Points("", *(_joined(points, what) for what in ("order", "steps", "times", "values")))
    order = np.argsort(whole.order, kind="stable")
    whole, name = whole.of(order), name[order]
    row = _row(whole.steps, name)
    first = np.unique(row, return_index=True)[1]
    found = {step: whole.steps[first].astype(float), time: whole.times[first]}
    for index, each in enumerate(names):
        column = np.full(len(first), np.nan)
        column[row[name == index]] = whole.values[name == index]
        found[each if each not in (step, time) else f"{each} (logged)"] = column
    return found


def _joined(points: Sequence[Points], what: str) -> np.ndarray:
    return np.concatenate([getattr(each, what) for each in points])


def _row(steps: np.ndarray, name: np.ndarray) -> np.ndarray:
    """The row of each point: one a start and step, and one more for each time that a name comes
    again at a step."""
    start, place = np.cumsum(_begins(steps, name)), np.arange(len(steps))
    order = np.lexsort((place, name, steps, start))
    first = np.where(_changes(order, start, steps, name), place, 0)
    again = np.empty_like(place)
    again[order] = place - np.maximum.accumulate(first)
    order = np.lexsort((again, steps, start))
    row = np.empty_like(place)
    row[order] = np.cumsum(_changes(order, start, steps, again)) - 1
    return row


def _changes(order: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Where, in that order, any key differs from the one before."""
    changes = np.zeros(len(order), bool)
    changes[0] = True
    for key in keys:
        changes[1:] |= np.diff(key[order]) != 0
    return changes


def _begins(steps: np.ndarray, name: np.ndarray) -> np.ndarray:
    """Where a start begins: a name's step lies before the one that it had since the last start."""
    order = np.argsort(name, kind="stable")
    back = (np.diff(steps[order]) < 0) & (np.diff(name[order]) == 0)
    found, last = np.zeros(len(steps), bool), 0
    candidates = zip(order[1:][back].tolist(), order[:-1][back].tolist(), strict=True)
    for place, previous in sorted(candidates):
        if previous >= last:
            found[place], last = True, place
    return found
