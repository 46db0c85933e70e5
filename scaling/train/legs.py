"""When a run on its way rests: once a minute, to be kept, and when its process is asked to stop.

Several processes that train one run rest at the same step: what any of them was asked, and what
the clock of process 0 says, is made known to all every few seconds.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from scaling.train import distributed, stopping

# Between two checkpoints of a run on its way: what a killed process loses.
REST_SECONDS = 60.0
# Of training that is kept before an evaluation, which may take as long and can't be stopped.
WORTH_SECONDS = 5.0
# Between two moments in which several processes agree.
AGREE_SECONDS = 2.0


class Rest(NamedTuple):
    """keep: write a checkpoint now. stop: why to stop here, if so."""

    keep: bool
    stop: str | None


class Legs:
    """The chunks between two rests, counted for one trunk and its branches."""

    def __init__(self) -> None:
        self._together = distributed.joined()
        self._kept_at = self._began = time.perf_counter()
        self._taken, self._agreed = 0, 1  # chunks of this leg: so far, and of several processes all

    def begin(self) -> None:
        self._began, self._taken = time.perf_counter(), 0

    def more(self) -> bool:
        """Whether the leg has one more chunk; it is then counted."""
        if self._together:
            more = self._taken < self._agreed
        else:
            more = stopping.asked() is None and (not self._taken or not self._due())
        self._taken += more
        return more

    def rest(self) -> Rest:
        """What to do after the leg, with nothing in flight."""
        why, keep, saves = stopping.asked(), self._due(), stopping.saves()
        if self._together:
            why, keep, saves = self._agree(why, keep, saves)
        return Rest(saves if why is not None else keep, why)

    def worth_keeping(self) -> bool:
        """Whether much was trained since the last checkpoint."""
        worth = time.perf_counter() >= self._kept_at + WORTH_SECONDS
        return bool(distributed.as_process_0(np.array([worth], np.int32))[0])

    def kept(self) -> None:
        """A checkpoint was written just now."""
        self._kept_at = time.perf_counter()

    def _due(self) -> bool:
        return time.perf_counter() >= self._kept_at + REST_SECONDS

    def _agree(self, why: str | None, keep: bool, saves: bool) -> tuple[str | None, bool, bool]:
        """As the processes agree; the next leg's length follows from the first one's pace."""
        seconds = (time.perf_counter() - self._began) / max(1, self._taken)
        ahead = max(1, round(AGREE_SECONDS / max(seconds, 1e-6)))
        # Never many times as long at once: a first leg was timed with its compilation, or without.
        ahead = min(ahead, 2 * self._agreed)
        mine = np.array([why is not None, keep, saves, ahead], np.int32)
        told = distributed.gathered(mine)
        self._agreed, saves = int(told[0, 3]), bool(told[:, 2].all())
        if told[:, 0].any():
            stopping.ask("another process of this run was asked to stop", save=saves)
        return stopping.asked(), bool(told[0, 1]), saves
