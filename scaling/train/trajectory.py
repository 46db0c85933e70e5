"""Symptoms that the course of the loss shows: spikes, divergence, nothing learned, a slow pace.

Each class sees a run chunk by chunk and says when it finds something. How thresholds were set:
`scaling.train.symptoms`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from scaling.train.findings import Finding
from scaling.train.telemetry import Chunk

WINDOW = 64  # steps that make a level: four chunks
SIGMAS, TAILS = 8.0, 2.0
SHARE = 0.1  # of the loss of a uniform guess: a jump below that harms nothing
HARM = 0.5  # of what was learned so far: so much is no one hard example
BACK = 4  # steps below the limit after which a loss is back
STAYS = 64  # steps that a loss is up before it is said to stay there
LOST = 1 / 3  # of what was learned so far
BEYOND = 3.0  # nats above the worse of a uniform guess and the run's own beginning
WORSE, ABOVE = 0.01, 8  # of a uniform guess above it, in so many chunks running
LEARNT = 0.02  # of a uniform guess: less is nothing learned
PATIENCE = 256  # steps after the warm-up without anything learned
LEAST_PATIENCE = 64  # the same, at the end of a short run
LAGS = 4.0  # times as many steps as its like
SMOOTH = 4  # chunks whose mean is compared with a trend, and for which it must lag


class Loss:
    """`spike`, `divergence`, and `dead` where nothing is learned.

    The level is the median of the last `WINDOW` steps, its noise their median absolute deviation.
    A rise is a step, at least a window after the warm-up, that is above the level by `SIGMAS` of
    that noise, by `TAILS` times the worst of the window (losses of small batches have heavy tails)
    and by `SHARE` of a uniform guess. It is a spike when the loss comes back within `STAYS` steps,
    else a divergence. So is a level that has lost `LOST` of what was learned, however slowly; one
    that after the warm-up is above a uniform guess by `WORSE` of it in `ABOVE` chunks running,
    though the run began at it; and one `BEYOND` what the run began with for `STAYS` steps.
    dead: after `PATIENCE` steps past the warm-up the level is within `LEARNT` of a uniform guess,
    and falls no more than its noise explains.
    """

    def __init__(self, uniform: float) -> None:
        self.uniform = uniform
        self.begins: list[float] = []  # the first window
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.best, self.best_step = math.inf, 0
        self.rise: _Rise | None = None
        self.far: int | None = None  # the step since which it is `BEYOND` its beginning
        self.above: list[float] = []  # means of the chunks since it is above a uniform guess
        self.trained = 0  # steps past the warm-up
        self.learned = False
        self.top = max(uniform, 0.0)

    def see(self, chunk: Chunk) -> list[Finding]:
        steps = [(chunk.first_step + at, float(x)) for at, x in enumerate(chunk.loss)]
        steps = [pair for pair, sound in zip(steps, chunk.sound, strict=True) if sound]
        losses = [loss for _, loss in steps]
        if not self.begins:
            self.top = max(self.uniform, losses[0])
        if len(self.begins) < WINDOW:
            self.begins += losses
        found = self._far(steps) + self._rises(steps)
        mean = fmean(losses)
        self.above = [*self.above, mean] if mean > self.uniform else []
        if not chunk.learning_rate[-1] > chunk.learning_rate[0]:
            self.trained += len(chunk.loss)
        if len(self.recent) == WINDOW:
            found += self._worse(chunk) or self._drift(chunk)
            found += self._nothing(PATIENCE)
        return found

    def end(self) -> list[Finding]:
        return self._nothing(LEAST_PATIENCE) if len(self.recent) == WINDOW else []

    def _far(self, steps: Sequence[tuple[int, float]]) -> list[Finding]:
        limit = self.top + BEYOND
        now = median([loss for _, loss in steps])
        if now <= limit:
            self.far = None
            return []
        if self.far is None:
            self.far = next(step for step, loss in steps if loss > limit)
        if steps[-1][0] - self.far < STAYS:
            return []
        told = f"the loss is {now:.3g}, where a uniform guess has {self.uniform:.3g}"
        return [Finding("divergence", self.far, "", told)]

    def _rises(self, steps: Sequence[tuple[int, float]]) -> list[Finding]:
        level, noise = _level(self.recent)
        tail = max(self.recent, default=math.inf) - level
        limit = level + max(SIGMAS * noise, TAILS * tail, SHARE * self.uniform)
        harm = level + HARM * max(0.0, self.uniform - level)
        settled = self.trained >= WINDOW and len(self.recent) == WINDOW
        found: list[Finding] = []
        for step, loss in steps:
            if self.rise is None and settled and loss > limit:
                self.rise = _Rise(step, level, limit, harm)
            if self.rise is None:
                self.recent.append(loss)
                continue
            found += self.rise.see(step, loss)
            if self.rise.over:
                self.rise = None
        return found

    def _worse(self, chunk: Chunk) -> list[Finding]:
        above = self.above[-ABOVE:]
        if self.trained < WINDOW or len(above) < ABOVE:
            return []
        if fmean(above) <= max((1 + WORSE) * self.uniform, self.begins[0]):
            return []
        told = f"the loss is {fmean(above):.4g}, worse than a uniform guess's {self.uniform:.4g}"
        began = max(0, chunk.first_step - (len(self.above) - 1) * len(chunk.loss))
        return [Finding("divergence", began, "", told)]

    def _drift(self, chunk: Chunk) -> list[Finding]:
        level, noise = _level(self.recent)
        if level < self.best:
            self.best, self.best_step = level, chunk.first_step
        lost = max(LOST * (self.uniform - self.best), SHARE * self.uniform, noise)
        if level - self.best <= lost:
            return []
        told = f"the loss went from {self.best:.3g} to {level:.3g} and stays there"
        return [Finding("divergence", self.best_step, "", told)]

    def _nothing(self, patience: int) -> list[Finding]:
        level, noise = _level(self.recent)
        self.learned |= level < (1 - LEARNT) * self.uniform
        if self.learned or self.trained < patience:
            return []
        begins, noise_then = _level(self.begins[:WINDOW])
        error = math.hypot(noise, noise_then) / math.sqrt(WINDOW / 2)
        if begins - level > 4 * error + 1e-6 * self.uniform:
            return []  # it learns, if slowly
        told = f"the loss is {level:.4g} after {self.trained} steps; a uniform guess has "
        return [Finding("dead", 0, "", told + f"{self.uniform:.4g}")]


class _Rise:
    """A loss that went up, until it is back or has stayed up.

    One step alone is no spike unless it is above `harm`: one hard example in a small batch does it.
    """

    def __init__(self, step: int, level: float, limit: float, harm: float) -> None:
        self.step, self.level, self.limit, self.harm = step, level, limit, harm
        self.peak, self.high, self.over = -math.inf, 0, False
        self.last: deque[float] = deque(maxlen=BACK)

    def see(self, step: int, loss: float) -> list[Finding]:
        self.peak = max(self.peak, loss)
        self.high += loss > self.limit
        self.last.append(loss)
        up = f"the loss went from {self.level:.3g} to {self.peak:.3g}"
        if len(self.last) == BACK and max(self.last) < self.limit:
            self.over = True
            away = step - self.step - BACK + 1
            told = f"{up} and was back after {away} step{'s' if away > 1 else ''}"
            real = self.high > 1 or self.peak > self.harm
            return [Finding("spike", self.step, "", told)] * real
        if step - self.step >= STAYS:
            self.over = True
            return [Finding("divergence", self.step, "", f"{up} and stays there")]
        return []


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


class Pace:
    """`slow`: for `SMOOTH` chunks running the loss is one that its like had after a `LAGS`-th of
    the steps, and above theirs by three times their spread and `SHARE` of what they learned. A loss
    that is no better than a uniform guess is not slow: it does not learn."""

    def __init__(self, trend: Trend | None, uniform: float) -> None:
        self.trend, self.uniform = trend, uniform
        self.losses: list[float] = []
        self.lasts, self.began = 0, 0

    def see(self, chunk: Chunk) -> list[Finding]:
        if self.trend is None:
            return []
        self.losses = [*self.losses[1 - SMOOTH :], float(chunk.loss[chunk.sound].mean())]
        step = chunk.first_step + len(chunk.loss)
        if len(self.losses) < SMOOTH or step > self.trend.steps[-1]:
            return []
        loss, theirs = float(np.mean(self.losses)), self.trend.at(step)
        behind = max(3 * self.trend.spread, SHARE * (self.uniform - theirs))
        learns = loss < self.uniform
        if not learns or loss - theirs <= behind or loss <= self.trend.at(step / LAGS):
            self.lasts = 0
            return []
        if self.lasts == 0:
            self.began = chunk.first_step
        self.lasts += 1
        if self.lasts < SMOOTH:
            return []
        told = f"the loss is {loss:.3g} where its like have {theirs:.3g}"
        return [Finding("slow", self.began, "", told)]


def _level(losses: Sequence[float] | deque[float]) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    if not losses:
        return math.inf, 0.0
    middle = median(losses)
    return middle, 1.4826 * median([abs(x - middle) for x in losses])


def _smooth(losses: Sequence[float]) -> list[float]:
    """Means over the last `SMOOTH` chunks, as the run itself is read."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    return [
        float((sums[end] - sums[max(0, end - SMOOTH)]) / min(end, SMOOTH))
        for end in range(1, len(sums))
    ]
