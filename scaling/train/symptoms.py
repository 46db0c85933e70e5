"""Symptoms, one class each: it sees a run chunk by chunk and says when it finds one.

Each is made for one pass, keeps little, and costs some tens of microseconds a chunk. The thresholds
were set on the runs of seeds 0 and 1 of `benchmarks/diagnosis.py`; its figures are of other seeds
(docs/survival.md).
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from statistics import median

import numpy as np

from scaling.train.findings import Finding
from scaling.train.telemetry import Chunk, Floats

WINDOW = 64  # steps that make a level: four chunks
SIGMAS = 8.0
SHARE = 0.1  # of the loss of a uniform guess: a jump below that harms nothing
LOST = 1 / 3  # of what was learned so far
STAYS = 64  # steps that a loss is up before it is said to stay there
BEYOND = 3.0  # nats above the worse of a uniform guess and the run's own beginning
CHUNKS = 4  # that a sign lasts before it is believed
LEARNT = 0.02  # of a uniform guess: less is nothing learned
PATIENCE = 256  # steps after the warm-up without anything learned
LEAST_PATIENCE = 64  # the same, at the end of a short run
FADES, GROWS = 1e-3, 1e3  # gradient at the first block over that at the last
ZERO = 1e-12  # of the largest block's gradient
LAGS = 4.0  # times as many steps as its like
SECONDS = 1.0  # of training that a judgement of the input rests on


class NonFinite:
    """`numerical`: a loss or gradient that is no number, once; under loss scaling (`scaled`), where
    an overflow is how the scale is found, more than half of the steps of `CHUNKS` chunks.

    The block is the first whose output is not finite; where all are, the last whose gradient isn't,
    since gradients come from the end. Both are known of a chunk's last step only.
    """

    def __init__(self, blocks: Sequence[str], scaled: bool) -> None:
        self.blocks, self.scaled = blocks, scaled
        self.overflows: deque[int] = deque(maxlen=CHUNKS)

    def see(self, chunk: Chunk) -> list[Finding]:
        loss = ~np.isfinite(chunk.loss)
        bad = loss | (chunk.nonfinite > 0) | ~np.isfinite(chunk.grad_norm)
        self.overflows.append(int(bad.sum()))
        if not bad.any():
            return []
        first = int(np.argmax(bad))
        step = chunk.first_step + first
        if self.scaled and not loss.any():
            if 2 * sum(self.overflows) <= CHUNKS * len(bad):
                return []
            told = f"{sum(self.overflows)} of {CHUNKS * len(bad)} steps overflow at any loss scale"
        elif loss[first]:
            told = f"the loss is {chunk.loss[first]:g}"
        else:
            told = f"{max(1, int(chunk.nonfinite[first]))} entries of the gradient are not finite"
        return [Finding("numerical", step, self._block(chunk), told)]

    def _block(self, chunk: Chunk) -> str:
        # NaN is also what an untold activation says: then all of them are NaN, or it is a block's
        # habit, which the gradients don't share.
        outputs, gradients = chunk.activation_by_block, ~np.isfinite(chunk.grad_by_block)
        wrong = np.isinf(outputs) | (np.isnan(outputs) & gradients)
        if len(outputs) and wrong.any() and not wrong.all():
            return self.blocks[int(np.argmax(wrong))]
        if gradients.any():
            return self.blocks[int(np.flatnonzero(gradients)[-1])]
        return ""


class Loss:
    """`spike`, `divergence`, and `dead` where nothing is learned.

    The level is the median of the last `WINDOW` steps, its noise their median absolute deviation.
    A rise is a step above the level by `SIGMAS` of that noise and `SHARE` of a uniform guess; it is
    a spike when the loss comes back within `STAYS` steps, else a divergence. So is a level that has
    lost `LOST` of what was learned, however slowly, and any step `BEYOND` what a run begins with.
    dead: after `PATIENCE` steps past the warm-up the level is within `LEARNT` of a uniform guess,
    and falls no more than its noise explains.
    """

    def __init__(self, uniform: float) -> None:
        self.uniform = uniform
        self.begins: list[float] = []  # the first window
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.best, self.best_step = math.inf, 0
        self.rise: _Rise | None = None
        self.trained = 0  # steps past the warm-up
        self.dead = self.learned = False
        self.top = max(uniform, 0.0)

    def see(self, chunk: Chunk) -> list[Finding]:
        losses = [float(x) for x in chunk.loss]
        found: list[Finding] = []
        if len(self.begins) < WINDOW:
            if not self.begins:
                self.top = max(self.uniform, losses[0])
            self.begins += losses
        level, noise = _level(self.recent)
        limit = level + max(SIGMAS * noise, SHARE * self.uniform)
        settled = len(self.recent) >= WINDOW // 2
        for at, loss in enumerate(losses):
            step = chunk.first_step + at
            if loss > self.top + BEYOND:
                began = self.rise.step if self.rise else step
                told = f"the loss is {loss:.3g}, where a uniform guess has {self.uniform:.3g}"
                return [*found, Finding("divergence", began, "", told)]
            if self.rise is None and settled and loss > limit:
                self.rise = _Rise(step, level, limit)
            if self.rise is None:
                self.recent.append(loss)
            elif finding := self.rise.see(step, loss):
                found.append(finding)
                self.rise = None
        return found + self._drift(chunk) + self._nothing(chunk, PATIENCE)

    def end(self, chunk: Chunk) -> list[Finding]:
        return self._nothing(chunk, LEAST_PATIENCE)

    def _drift(self, chunk: Chunk) -> list[Finding]:
        if len(self.recent) < WINDOW:
            return []
        level, noise = _level(self.recent)
        if level < self.best:
            self.best, self.best_step = level, chunk.first_step
        up = level - self.best
        if up <= max(LOST * (self.uniform - self.best), SHARE * self.uniform, noise):
            return []
        told = f"the loss went from {self.best:.3g} to {level:.3g} and stays there"
        return [Finding("divergence", self.best_step, "", told)]

    def _nothing(self, chunk: Chunk, patience: int) -> list[Finding]:
        rates = chunk.learning_rate
        if not (rates[-1] > rates[0]):
            self.trained += len(rates)
        if self.dead or self.learned or len(self.recent) < WINDOW:
            return []
        level, noise = _level(self.recent)
        self.learned = level < (1 - LEARNT) * self.uniform
        if self.learned or self.trained < patience:
            return []
        begins, noise_then = _level(self.begins[:WINDOW])
        error = math.hypot(noise, noise_then) / math.sqrt(WINDOW / 2)
        if begins - level > 4 * error + 1e-6 * self.uniform:
            return []  # it learns, if slowly
        self.dead = True
        told = f"the loss is {level:.4g} after {self.trained} steps; a uniform guess has "
        return [Finding("dead", 0, "", told + f"{self.uniform:.4g}")]


class _Rise:
    """A loss that went up, until it is back or has stayed up."""

    def __init__(self, step: int, level: float, limit: float) -> None:
        self.step, self.level, self.limit = step, level, limit
        self.peak = -math.inf
        self.last: deque[float] = deque(maxlen=4)

    def see(self, step: int, loss: float) -> Finding | None:
        self.peak = max(self.peak, loss)
        self.last.append(loss)
        up = f"the loss went from {self.level:.3g} to {self.peak:.3g}"
        if len(self.last) == 4 and max(self.last) < self.limit:
            return Finding("spike", self.step, "", f"{up} and back in {step - self.step} steps")
        if step - self.step >= STAYS:
            return Finding("divergence", self.step, "", f"{up} and stays there")
        return None


class Depth:
    """`vanishing` and `exploding`: gradients that shrink or grow from the last block to the first;
    and `dead` blocks, whose gradient is zero.

    Blocks of one kind (attention_0, attention_1, ...) are compared among themselves, where there
    are at least three. The gradient at a block's output is its weights' gradient over the size of
    its input; with activations untold the weights' gradient stands for it. Vanishing is a first one
    below `FADES` of the last, exploding above `GROWS`, in `CHUNKS` chunks running. The block
    is the one, seen from the end, where half of that (in orders of magnitude) is gone.
    """

    def __init__(self, blocks: Sequence[str]) -> None:
        self.blocks = blocks
        kinds: dict[str, list[int]] = {}
        for i, block in enumerate(blocks):
            kinds.setdefault(re.sub(r"\d+", "#", block), []).append(i)
        self.kinds = [np.array(own) for own in kinds.values() if len(own) >= 3]
        self.lasts = {"vanishing": 0, "exploding": 0, "dead": 0}
        self.began = dict.fromkeys(self.lasts, 0)
        self.chunks = 0

    def see(self, chunk: Chunk) -> list[Finding]:
        self.chunks += 1
        # Behind a head that begins at zero the first gradients are exactly zero.
        if self.chunks == 1 or not np.isfinite(chunk.grad_by_block).all():
            return []
        signs = {"dead": self._dead(chunk), **self._by_depth(chunk)}
        found = []
        for label, sign in signs.items():
            if sign is None:
                self.lasts[label] = 0
                continue
            if self.lasts[label] == 0:
                self.began[label] = chunk.first_step
            self.lasts[label] += 1
            if self.lasts[label] == CHUNKS:
                block, told = sign
                found.append(Finding(label, self.began[label], block, told))  # type: ignore[arg-type]
        return found

    def _dead(self, chunk: Chunk) -> tuple[str, str] | None:
        gradients, outputs = chunk.grad_by_block, chunk.activation_by_block
        silent = gradients <= ZERO * gradients.max(initial=0.0)
        if not silent.any():
            return None
        zeros = np.flatnonzero(outputs == 0)
        block = int(zeros[0]) if len(zeros) else int(np.flatnonzero(silent)[-1])
        what = "output" if len(zeros) else "gradient"
        return self.blocks[block], f"its {what} is zero; {silent.sum()} blocks get no gradient"

    def _by_depth(self, chunk: Chunk) -> dict[str, tuple[str, str] | None]:
        signs: dict[str, tuple[str, str] | None] = {"vanishing": None, "exploding": None}
        for kind in self.kinds:
            at_output = _at_output(chunk.grad_by_block[kind], chunk.activation_by_block[kind])
            if at_output.min() <= 0:
                continue
            ratio = float(at_output[0] / at_output[-1])
            label = "vanishing" if ratio < FADES else "exploding" if ratio > GROWS else ""
            if label:
                block = self.blocks[int(kind[_halfway(at_output)])]
                verb = "shrinks" if label == "vanishing" else "grows"
                told = f"the gradient {verb} {max(ratio, 1 / ratio):.2g} times from end to start"
                signs[label] = block, told
        return signs


def _at_output(gradients: Floats, outputs: Floats) -> Floats:
    """Gradients by blocks' outputs, up to a constant: of the weights over the block's input."""
    if not np.isfinite(outputs).all() or outputs.min() <= 0:
        return gradients
    inputs = outputs[:-1]
    return gradients[1:] / inputs


def _halfway(at_output: Floats) -> int:
    logs = np.log(at_output)
    middle = (logs[0] + logs[-1]) / 2
    past = logs < middle if logs[0] < logs[-1] else logs > middle
    return int(np.flatnonzero(past)[-1])


class Input:
    """`stalled`: more than half of the time goes by waiting for data, over the last `CHUNKS` chunks
    or second, whichever is longer, and in more than half of these chunks."""

    def __init__(self) -> None:
        self.seen: deque[tuple[int, float, float]] = deque()
        self.chunks = 0

    def see(self, chunk: Chunk) -> list[Finding]:
        self.chunks += 1
        if self.chunks <= 2:  # they pay for compilation and for the first batches
            return []
        seen = self.seen
        seen.append((chunk.first_step, chunk.seconds, chunk.waited))
        seconds = sum(s for _, s, _ in seen)
        while len(seen) > CHUNKS and seconds - seen[0][1] >= SECONDS:
            seconds -= seen.popleft()[1]
        if len(seen) < CHUNKS or seconds < SECONDS:
            return []
        waited = sum(w for *_, w in seen)
        waits = sum(2 * w > s for _, s, w in seen)
        if 2 * waited <= seconds or 2 * waits <= len(seen):
            return []
        told = f"{waited / seconds:.0%} of {seconds:.2g} s went by waiting for data"
        return [Finding("stalled", seen[0][0], "", told)]


def _level(losses: Sequence[float] | deque[float]) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    if not losses:
        return math.inf, 0.0
    middle = median(losses)
    return middle, 1.4826 * median([abs(x - middle) for x in losses])
