"""Names what goes wrong in a run while it trains: one pass over its chunks, no JAX.

Each label, what it means and what to do about it: docs/survival.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scaling.train.findings import LABELS as LABELS
from scaling.train.findings import Finding as Finding
from scaling.train.findings import Label as Label
from scaling.train.symptoms import CHUNKS, LAGS, SHARE, Depth, Input, Loss, NonFinite
from scaling.train.telemetry import Chunk

# After one of these a run is no longer what it was: whatever follows is its consequence.
LOST: tuple[Label, ...] = ("divergence", "numerical")


@dataclass(frozen=True)
class Trend:
    """How the loss of runs of one size falls: what `slow` is measured against.

    steps: ends of chunks, growing. loss: their mean over the runs, never growing. spread: the runs'
    standard deviation around it.
    """

    steps: tuple[int, ...]
    loss: tuple[float, ...]
    spread: float

    @classmethod
    def of(cls, curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Trend | None:
        """The trend of runs' curves (steps, losses), as far as the shortest goes; None of none."""
        if not curves:
            return None
        steps = min((steps for steps, _ in curves), key=len)
        losses = np.array([_smooth(loss[: len(steps)]) for _, loss in curves])
        usual = np.median(losses, 0)
        spread = float(np.sqrt(np.mean((losses - usual) ** 2)))
        falling = np.minimum.accumulate(usual)
        return cls(tuple(int(s) for s in steps), tuple(map(float, falling)), spread)

    def at(self, step: float) -> float:
        return float(np.interp(step, self.steps, self.loss))


class Watch:
    """Sees a run's chunks as they come and says what is new.

    blocks: the model's blocks in the order of `Chunk`'s arrays. uniform: the loss of a uniform
    guess. trend: of runs of the same size, where there are any. scaled: whether gradients are
    scaled against overflow (float16). A chunk of earlier steps than the last means that the run was
    rewound: what was told stays told, and judgement begins anew.
    """

    def __init__(
        self,
        blocks: Sequence[str],
        uniform: float,
        trend: Trend | None = None,
        *,
        scaled: bool = False,
    ) -> None:
        self.blocks, self.uniform, self.trend, self.scaled = tuple(blocks), uniform, trend, scaled
        self.findings: list[Finding] = []
        self._begin()

    def _begin(self) -> None:
        self._nonfinite = NonFinite(self.blocks, self.scaled)
        self._loss, self._depth = Loss(self.uniform), Depth(self.blocks)
        self._input, self._pace = Input(), _Pace(self.trend, self.uniform)
        self._last: Chunk | None = None
        self._told: set[Label] = set()

    def see(self, chunk: Chunk) -> list[Finding]:
        """What this chunk shows for the first time."""
        if self._last is not None and chunk.first_step <= self._last.first_step:
            self._begin()
        self._last = chunk
        new = self._new(self._nonfinite.see(chunk))
        if self._told.isdisjoint(LOST) and np.isfinite(chunk.loss).all():
            for symptom in (self._depth, self._loss, self._pace):
                new += self._new(symptom.see(chunk))
        return new + self._new(self._input.see(chunk))

    def end(self) -> list[Finding]:
        """What is plain once the run has ended."""
        if self._last is None or not self._told.isdisjoint(LOST):
            return []
        return self._new(self._loss.end(self._last))

    def _new(self, found: Sequence[Finding]) -> list[Finding]:
        """Spikes are told one by one; of other labels the first, until the run is rewound."""
        new = []
        for finding in found:
            if finding.label == "spike" or finding.label not in self._told:
                new.append(finding)
                self._told.add(finding.label)
        self.findings += new
        return new


class _Pace:
    """`slow`: for `CHUNKS` chunks running the loss is one that its like had after a `LAGS`-th of the
    steps, and above theirs by three times their spread and `SHARE` of what they had learned."""

    def __init__(self, trend: Trend | None, uniform: float) -> None:
        self.trend, self.uniform = trend, uniform
        self.losses: list[float] = []
        self.lasts, self.began = 0, 0

    def see(self, chunk: Chunk) -> list[Finding]:
        if self.trend is None:
            return []
        self.losses = [*self.losses[1 - CHUNKS :], float(chunk.loss.mean())]
        step = chunk.first_step + len(chunk.loss)
        if len(self.losses) < CHUNKS or step > self.trend.steps[-1]:
            return []
        loss, theirs = float(np.mean(self.losses)), self.trend.at(step)
        behind = max(3 * self.trend.spread, SHARE * (self.uniform - theirs))
        if loss - theirs <= behind or loss <= self.trend.at(step / LAGS):
            self.lasts = 0
            return []
        if self.lasts == 0:
            self.began = chunk.first_step
        self.lasts += 1
        if self.lasts < CHUNKS:
            return []
        told = f"the loss is {loss:.3g} where its like have {theirs:.3g}"
        return [Finding("slow", self.began, "", told)]


def _smooth(losses: Sequence[float]) -> list[float]:
    """Means over the last `CHUNKS` chunks, as the run itself is read."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    return [
        float((sums[end] - sums[max(0, end - CHUNKS)]) / min(end, CHUNKS))
        for _, end in pairwise(range(len(sums)))
    ]
