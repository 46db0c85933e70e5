"""Symptoms of numbers, of depth and of the input, one class each: it sees a run chunk by chunk and
says when it finds one.

Each is made for one pass, keeps little, and costs some tens of microseconds a chunk. The thresholds
were set on the runs of seeds 0 and 1 of `benchmarks/diagnosis.py`; its figures are of other seeds
(docs/survival.md).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

import numpy as np

from scaling.train.findings import Finding, Label
from scaling.train.telemetry import Chunk, Floats

CHUNKS = 4  # that a sign lasts before it is believed
FADES, GROWS = 1e-3, 1e3  # gradient at the first block over that at the last
FAINT, UNDERFLOW = 1e-12, 1e-23  # a norm is zero where squares of float32 vanish
SECONDS = 1.0  # of training that a judgement of the input rests on
_TOLD: dict[Label, str] = {
    "dead": "its gradient is zero, as is that of {:.0f} blocks in all",
    "vanishing": "the gradient shrinks {:.2g} times from the last block to the first",
    "exploding": "the gradient grows {:.2g} times from the last block to the first",
}


class NonFinite:
    """`numerical`: a loss or gradient that is no number, once; under loss scaling (`scaled`), where
    an overflow is how the scale is found, more than half of the steps of `CHUNKS` chunks.

    The block is the first whose output is not finite; where all are, the last whose gradient isn't,
    since gradients come from the end. Both are known of a chunk's last step only.
    """

    def __init__(self, blocks: Sequence[str], scaled: bool) -> None:
        self.blocks, self.scaled = blocks, scaled
        self.tells = np.zeros(len(blocks), bool)  # blocks whose output was told, and finite, before
        self.overflows: deque[int] = deque(maxlen=CHUNKS)

    def see(self, chunk: Chunk) -> list[Finding]:
        loss = ~np.isfinite(chunk.loss)
        bad = loss | (chunk.nonfinite > 0) | ~np.isfinite(chunk.grad_norm)
        self.overflows.append(int(bad.sum()))
        if not bad.any():
            self.tells |= np.isfinite(chunk.activation_by_block)
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
            blocks = max(1, int(chunk.nonfinite[first]))
            told = f"the gradient of {blocks} block{'s' * (blocks > 1)} is not finite"
        return [Finding("numerical", step, self._block(chunk), told)]

    def _block(self, chunk: Chunk) -> str:
        outputs = ~np.isfinite(chunk.activation_by_block) & self.tells
        gradients = ~np.isfinite(chunk.grad_by_block)
        if outputs.any():
            return self.blocks[int(np.argmax(outputs))]
        if gradients.any():
            return self.blocks[int(np.flatnonzero(gradients)[-1])]
        return ""


class Depth:
    """`vanishing` and `exploding`: gradients that shrink or grow from the last block to the first;
    and `dead` blocks, whose gradient is zero.

    Blocks of one kind (attention_0, attention_1, ...) are compared among themselves, where there
    are at least three. The gradient at a block's output is its weights' gradient over the size of
    its input; with activations untold the weights' gradient stands for it. Vanishing is a first one
    below `FADES` of the last, exploding above `GROWS`: in `CHUNKS` chunks running, or beyond the
    square of that in one. The block is the one, seen from the end, where half of that (in orders of
    magnitude) is gone. Blocks are dead when their gradient is exactly zero in `CHUNKS` chunks.
    """

    def __init__(self, blocks: Sequence[str]) -> None:
        self.blocks = blocks
        kinds: dict[str, list[int]] = {}
        for i, block in enumerate(blocks):
            kinds.setdefault(re.sub(r"\d+", "#", block), []).append(i)
        self.kinds = [np.array(own) for own in kinds.values() if len(own) >= 3]
        self.lasts: dict[Label, int] = {"vanishing": 0, "exploding": 0, "dead": 0}
        self.began: dict[Label, int] = dict.fromkeys(self.lasts, 0)
        self.latest: dict[Label, tuple[int, Finding]] = {}  # signs by depth, and when last seen

    def see(self, chunk: Chunk) -> list[Finding]:
        if not np.isfinite(chunk.grad_by_block).all():
            return []
        signs: dict[Label, tuple[int, float] | None] = {"dead": self._dead(chunk)}
        signs |= self._by_depth(chunk)
        found = []
        for label, sign in signs.items():
            if sign is None:
                self.lasts[label] = 0
                continue
            if self.lasts[label] == 0:
                self.began[label] = chunk.first_step
            self.lasts[label] += 1
            if self.lasts[label] > CHUNKS:
                continue
            block, ratio = sign
            told = _TOLD[label].format(ratio)
            finding = Finding(label, self.began[label], self.blocks[block], told)
            plain = label != "dead" and ratio > GROWS**2
            if plain or self.lasts[label] == CHUNKS:
                found.append(finding)
            if label != "dead":
                self.latest[label] = chunk.last_step, finding
        return found

    def before(self, step: int) -> list[Finding]:
        """The signs by depth that were there when something else began at `step`."""
        return [finding for seen, finding in self.latest.values() if seen >= step]

    def _dead(self, chunk: Chunk) -> tuple[int, float] | None:
        """The block, and how many blocks get no gradient."""
        silent = np.flatnonzero(chunk.grad_by_block == 0)
        if not len(silent) or _faint(chunk.grad_by_block):
            return None
        zeros = np.flatnonzero(chunk.activation_by_block == 0)
        block = int(zeros[0]) if len(zeros) else int(silent[-1])
        # An output of zeros from weights that are none: the block before gave nothing but zeros.
        if len(zeros) and block and np.isfinite(chunk.update_by_block[block]):
            block -= 1
        return block, float(len(silent))

    def _by_depth(self, chunk: Chunk) -> dict[Label, tuple[int, float] | None]:
        """The block, and how many times larger one end's gradient is than the other's."""
        signs: dict[Label, tuple[int, float] | None] = {"vanishing": None, "exploding": None}
        gradients = chunk.grad_by_block
        if _faint(gradients):
            gradients = np.maximum(gradients, UNDERFLOW)
        for kind in self.kinds:
            at_output = _at_output(gradients[kind], chunk.activation_by_block[kind])
            if at_output.min() <= 0:
                continue
            ratio = float(at_output[0] / at_output[-1])
            if FADES <= ratio <= GROWS:
                continue
            block = int(kind[_halfway(at_output) - len(at_output)])
            label: Label = "vanishing" if ratio < FADES else "exploding"
            signs[label] = block, max(ratio, 1 / ratio)
        return signs


def _faint(gradients: Floats) -> bool:
    """Whether zeros among them are gradients too small to be told, as some others nearly are."""
    others = gradients[gradients > 0]
    return bool(len(others) and others.min() < FAINT)


def _at_output(gradients: Floats, outputs: Floats) -> Floats:
    """Gradients by blocks' outputs, up to a constant: of the weights over the size of the input,
    which for all but the first block is the output before."""
    if not np.isfinite(outputs).all() or outputs.min() <= 0:
        return gradients
    return gradients[1:] / outputs[:-1]


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
