"""A run's curve: restarts undone by one rule, how it ended, and where curves wait for each other.

The rule: a run goes on in tokens (in steps, where no tokens are known). Where it goes back, it was
taken up again from there: the later start wins from its first step on, even where the earlier one
had come further. Points of one step are one point, and what was logged last is what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np

STEP, D, LOSS, TRAIN = range(4)  # the columns of a curve: an array of points x 4, NaN where empty
CADENCE = 1.5  # a series that pauses for more than so many of its longest gaps has ended
TOLERANCE = 0.02  # of a run: a held-out loss taken so near its end is its end's


@dataclass(frozen=True)
class Joined:
    """A curve whose restarts are undone. restarts: how often it went back; replaced: points that a
    later start took the place of."""

    points: np.ndarray
    restarts: int
    replaced: int


@dataclass(frozen=True)
class End:
    """How a curve ended: `at` is the point of its last loss, -1 where there is none."""

    at: int
    status: str
    reason: str


def progress(points: np.ndarray) -> np.ndarray:
    """How far the run is at each point: tokens, or steps, or simply the order."""
    for column in (D, STEP):
        values = points[:, column]
        if len(values) and np.isfinite(values).all():
            return values
    return np.arange(len(points), dtype=float)


def joined(points: np.ndarray) -> Joined:
    """Points in the order in which they were logged, as one curve that only goes on."""
    far = progress(points)
    if (np.diff(far) > 0).all():
        return Joined(points, 0, 0)
    ahead = np.minimum.accumulate(far[::-1])[::-1]  # the least that is still to come
    kept = points[far <= ahead]
    at = far[far <= ahead]
    first = np.flatnonzero(np.diff(at, prepend=-np.inf) > 0)
    out = kept[first].copy()
    which = np.searchsorted(first, np.arange(len(kept)), side="right") - 1
    for column in range(points.shape[1]):
        there = np.isfinite(kept[:, column])
        out[which[there], column] = kept[there, column]  # of several the last stays
    again = int(np.isfinite(kept[:, LOSS]).sum() - np.isfinite(out[:, LOSS]).sum())
    times = int((np.diff(far) < 0).sum()) or int(again > 0)
    return Joined(out, times, len(points) - len(kept) + again)


def end(points: np.ndarray, planned: float, ended: str) -> End:
    """The status of a run and its reason, from its curve, its planned steps and its own word."""
    loss, train = points[:, LOSS], points[:, TRAIN]
    held = np.flatnonzero(np.isfinite(loss))
    if np.isinf(loss).any() or np.isinf(train).any():
        return End(_last(held), "diverged", f"loss is infinite at {_place(points, _inf(points))}")
    if not len(held):
        return End(-1, "failed", "no loss")
    at = _last(held)
    far = progress(points)
    trained = np.flatnonzero(np.isfinite(train))
    if len(trained) and _stopped(far, trained) and far[trained[-1]] >= far[at]:
        told = f"training loss is no number after {_place(points, int(trained[-1]))}"
        return End(at, "diverged", told)
    if ended == "crashed":
        return End(at, "failed", f"crashed after {_place(points, at)}")
    if ended == "running":
        return End(at, "stopped", f"still running when it was read, at {_place(points, at)}")
    last = points[-1]
    if planned > 0 and last[STEP] < planned * (1 - TOLERANCE):
        return End(at, "stopped", f"stopped at step {last[STEP]:,.0f} of {planned:,.0f}")
    if far[-1] - far[at] > TOLERANCE * far[-1] and _stopped(far, held):
        told = f"the last loss is of {_place(points, at)}; the run went on to {_place(points, -1)}"
        return End(at, "partway", told)
    return End(at, "finished", "")


def _stopped(far: np.ndarray, finite: np.ndarray) -> bool:
    """Whether a series that has values at these points has none at the end, by its own rhythm."""
    at = far[finite]
    gap = np.diff(at).max() if len(at) > 1 else at[0]
    return bool(far[-1] - at[-1] > CADENCE * gap)


def _last(at: np.ndarray) -> int:
    return int(at[-1]) if len(at) else -1


def _inf(points: np.ndarray) -> int:
    return int(np.flatnonzero(np.isinf(points[:, [LOSS, TRAIN]]).any(axis=1))[0])


def _place(points: np.ndarray, at: int) -> str:
    step, tokens = points[at, STEP], points[at, D]
    return f"step {step:,.0f}" if np.isfinite(step) else f"{tokens:,.0f} tokens"


class Shelf:
    """Curves on the disk, in a file of their own, so that memory stays flat while others are read
    that may go on with them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def put(self, points: np.ndarray) -> tuple[int, int]:
        """Keep a curve; gives where."""
        place = self._end, len(points)
        self._file.seek(self._end)
        self._end += self._file.write(np.ascontiguousarray(points, dtype=float).tobytes())
        return place

    def get(self, place: tuple[int, int]) -> np.ndarray:
        at, length = place
        self._file.seek(at)
        data = np.frombuffer(self._file.read(length * 4 * 8))
        return data.reshape(length, 4)
