"""What training one cell gave, and how its end is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.train.log import Log, Reading
from scaling.train.measure import Cost
from scaling.train.telemetry import Chunk


@dataclass(frozen=True)
class Outcome:
    """What training one cell gave; the sweep adds the plan's facts and stores it."""

    status: str  # finished, recovered (after a rewind), stopped, diverged
    reason: str
    loss: float
    loss_se: float
    train_loss: float
    metrics: dict[str, float]  # what the task tells beside the loss
    log: Log
    blocks: tuple[str, ...]
    steps: int  # that the weights behind `loss` have seen
    best_loss: float  # the lowest held-out loss that was read
    best_step: int
    microbatch: int  # examples whose gradients were taken together, in the end
    cost: Cost | None
    seconds: float
    cpu_seconds: float | None  # of this process, on all its cores; None where another began it
    steps_trained: int  # own steps: the trunk segment first needed by this cell, and the cooldown
    started_at: str
    trained_at: str

    @property
    def chunks(self) -> list[Chunk]:
        return self.log.chunks

    @property
    def curve(self) -> NDArray[np.float32]:
        """[steps, 3]: loss, gradient norm, learning rate."""
        if not self.chunks:
            return np.zeros((0, 3), np.float32)
        parts = [np.stack([c.loss, c.grad_norm, c.learning_rate], 1) for c in self.chunks]
        return np.concatenate(parts).astype(np.float32)


def status(failure: str, log: Log, stopped_before: bool) -> str:
    if failure:
        return "diverged"
    if stopped_before:
        return "stopped"
    return "recovered" if log.rewinds else "finished"


def reason(log: Log, best: Reading) -> str:
    """What a reader of the table must know of a run that came to an end."""
    told = [f"rewound from step {r.step} to {r.to}: {r.why}" for r in log.rewinds]
    if log.skipped:
        told.append(f"{log.skipped} steps skipped: not finite")
    if log.stopped_at is not None:
        told.append(f"stopped early at step {log.stopped_at}: the best was at step {best.step}")
    return "; ".join(told)
