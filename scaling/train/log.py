"""What has happened in a run: its chunks, what was found in them, rewinds, readings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scaling.train.findings import Finding
from scaling.train.tasks import Measured
from scaling.train.telemetry import Chunk


@dataclass(frozen=True)
class Rewind:
    """From `step` back to `to`; `why`: the finding that led to it."""

    step: int
    to: int
    why: str


@dataclass(frozen=True)
class Reading:
    """The held-out loss after `step` steps, read in passing."""

    step: int
    measured: Measured

    @property
    def loss(self) -> float:
        return float(self.measured["loss"].astype(np.float64).mean())


@dataclass
class Log:
    """What has happened so far."""

    chunks: list[Chunk] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rewinds: list[Rewind] = field(default_factory=list)
    held_out: dict[int, float] = field(default_factory=dict)
    best: Reading | None = None
    stopped_at: int | None = None  # where early stopping ended it
    lost: str = ""  # why it had better be given up, where it goes on all the same
    factor: float = 1.0  # of the learning rate
    passed: int = 0  # batches that rewinds went past

    def copy(self) -> Log:
        """A branch's own log; what it has in common with the trunk's is never changed."""
        return replace(
            self,
            chunks=list(self.chunks),
            findings=list(self.findings),
            rewinds=list(self.rewinds),
            held_out=dict(self.held_out),
        )

    @property
    def skipped(self) -> int:
        return int(sum(chunk.skipped.sum() for chunk in self.chunks))

    def faults(self) -> int:
        """Skipped steps that no overflow of scaled losses explains."""
        return sum(faults_of(chunk) for chunk in self.chunks)


def faults_of(chunk: Chunk) -> int:
    """Skipped steps that no overflow of scaled losses explains."""
    return int(chunk.skipped.sum()) if chunk.loss_scale <= 1 else 0
