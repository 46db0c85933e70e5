"""Which points of a run stand in the table: its end, or others on its way, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scaling.errors import InputError
from scaling.importing.curves import LOSS, STEP, TRAIN, D, End

SMOOTHED = 10  # losses that `smoothed` is the mean of, where no number is given


@dataclass(frozen=True)
class Rule:
    """Which loss stands for a point: the one that was taken there (`final`), the least so far
    (`best`), or the mean of the last so many (`smoothed`)."""

    name: str
    last: int = 1

    def __str__(self) -> str:
        return f"{self.name}:{self.last}" if self.name == "smoothed" else self.name

    def at(self, points: np.ndarray, i: int) -> float:
        losses = points[: i + 1, LOSS]
        losses = losses[np.isfinite(losses)]
        if self.name == "best":
            return float(losses.min())
        return float(losses[-self.last :].mean())


@dataclass(frozen=True)
class Point:
    """A point of a run in the table. end: whether it is the run's own."""

    step: float
    tokens: float
    loss: float
    train_loss: float
    end: bool


def rule(text: str) -> Rule:
    """`final`, `best`, `smoothed` or `smoothed:K`."""
    if text in ("final", "best"):
        return Rule(text)
    if found := re.fullmatch(r"smoothed(?::([1-9]\d*))?", text):
        return Rule("smoothed", int(found[1] or SMOOTHED))
    raise InputError(f"--loss {text!r}: valid are final, best, smoothed and smoothed:K")


def chosen(points: np.ndarray, end: End, loss: Rule, most: int | None) -> Iterator[Point]:
    """The points that stand in the table: the end's, and before it up to `most` - 1 others, evenly
    spread in the logarithm of the tokens; all, where `most` is None."""
    if end.at < 0:
        last = points[-1]
        yield Point(last[STEP], last[D], np.nan, last[TRAIN], True)
        return
    held = np.flatnonzero(np.isfinite(points[: end.at + 1, LOSS]))
    far = points[held, D]
    held = held[np.isfinite(far) & (far > 0) | (held == end.at)]
    if most is not None and len(held) > most:
        far = np.log(np.maximum(points[held, D], 1))
        wanted = np.linspace(far[0], far[-1], most + 1)[1:]
        held = held[np.unique(np.searchsorted(far, wanted - 1e-9).clip(0, len(held) - 1))]
    train = points[:, TRAIN]
    for i in held.tolist():
        seen = train[: i + 1]
        seen = seen[np.isfinite(seen)]
        tokens = points[i, D]
        if i == end.at and np.isnan(tokens):  # known of the whole run alone
            tokens = points[-1, D]
        yield Point(
            points[i, STEP],
            tokens,
            loss.at(points, i),
            float(seen[-1]) if len(seen) else np.nan,
            i == end.at,
        )
