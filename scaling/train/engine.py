r"""Trains one trunk and its cooldown branches: the cells of one shape, seed and recipe.

    trunk    ----+--------+----------------+
                  \        \                \      (cooldown branches, one a token budget)
    cells          D_1      D_2              D_3

The trunk is checkpointed at each branch point, so that what finished is never trained again.
A branch is, step for step, the dedicated run of its length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.grid import CHUNK_STEPS, AnyData, Cell
from scaling.train import checkpoint, schedule
from scaling.train.step import Program, State
from scaling.train.tasks import feed_of

# A loss this far above a uniform guess never comes back on such short runs.
DIVERGED_NATS = 3.0

Progress = Callable[[int, float], None]
Curve = NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """What training one cell gave; the sweep adds the plan's facts and stores it."""

    status: str
    reason: str
    loss: float
    loss_se: float
    train_loss: float
    metrics: dict[str, float]  # what the task tells beside the loss
    curve: Curve  # [steps, 3]: loss, gradient norm, learning rate
    seconds: float
    steps_trained: int  # own steps: the trunk segment first needed by this cell, and the cooldown
    started_at: str
    trained_at: str


def train_trunk(
    cells: Sequence[Cell],
    data: AnyData,
    *,
    checkpoint_path: Path,
    on_cell: Callable[[Cell, Outcome], None],
    on_progress: Progress = lambda steps, loss: None,
) -> None:
    """Train `cells` (all of one trunk), shortest first; `on_cell` gets each as it finishes."""
    cells = sorted(cells, key=lambda cell: cell.steps)
    trunk = _Trunk(cells[0], data, checkpoint_path, on_progress)
    for cell in cells:
        on_cell(cell, trunk.finish(cell))
    checkpoint_path.unlink(missing_ok=True)


class _Trunk:
    """The stable part of a run, resumed from its checkpoint where there is one."""

    def __init__(self, cell: Cell, data: AnyData, path: Path, on_progress: Progress) -> None:
        self.clock = time.perf_counter()
        self.started_at = _now()
        self.path, self.recipe, self.seed = path, cell.recipe, cell.seed
        self.on_progress = on_progress
        self.feed = feed_of(cell, data)
        self.program = Program(cell.family, cell.shape, cell.recipe, streamed=self.feed.streamed)
        state = self.program.init(jax.random.key(cell.seed))
        stored = checkpoint.load(path, state)
        branch_from = cell.steps - cell.cool_steps
        if stored and stored.step > branch_from:
            stored = None  # beyond the shortest cell that is left: a trunk can't go back
        self.state: State = stored.state if stored else state
        self.step = stored.step if stored else 0
        self.curve: Curve = stored.curve if stored else np.zeros((0, 3), np.float32)
        # What an interrupted run spent on this segment belongs to the cell that it was for.
        unpaid = stored is not None and stored.step == branch_from
        self.carried_seconds = stored.seconds if stored and unpaid else 0.0
        self.carried_steps = stored.steps_trained if stored and unpaid else 0
        self.failure = ""

    def finish(self, cell: Cell) -> Outcome:
        branch_from = cell.steps - cell.cool_steps
        steps_trained = self._advance_to(branch_from)
        curve, failure = self.curve, self.failure
        loss, loss_se, train_loss = float("nan"), float("nan"), float("nan")
        metrics: dict[str, float] = {}
        if not failure:
            # The chunk donates its state: the branch works on a copy. What goes wrong in a
            # branch is that cell's alone: the trunk goes on.
            state, tail, failure = self._run(
                jax.tree.map(jnp.copy, self.state),
                branch_from,
                cell.steps,
                branch_from,
                cell.cool_steps,
            )
            curve = np.concatenate([curve, tail])
            steps_trained += cell.cool_steps
        if not failure:
            measured = self.program.evaluate(state, self.feed.held_out_arrays, self.feed.held_out())
            losses = measured["loss"].astype(np.float64)
            if np.isfinite(losses).all():
                loss, loss_se = float(losses.mean()), float(losses.std(ddof=1) / losses.size**0.5)
                metrics = self.feed.metrics(measured)
                sample = self.program.evaluate(state, self.feed.arrays, self.feed.sample())
                train_loss = float(sample["loss"].astype(np.float64).mean())
            else:
                failure = f"held-out loss {losses.mean():.3g} after step {cell.steps}"
        now = time.perf_counter()
        seconds, self.clock = now - self.clock + self.carried_seconds, now
        self.carried_seconds = 0.0
        started_at, self.started_at = self.started_at, _now()
        return Outcome(
            status="diverged" if failure else "finished",
            reason=failure,
            loss=loss,
            loss_se=loss_se,
            train_loss=train_loss,
            metrics=metrics,
            curve=curve,
            seconds=seconds,
            steps_trained=steps_trained,
            started_at=started_at,
            trained_at=_now(),
        )

    def _advance_to(self, step: int) -> int:
        """Train the trunk up to `step`; how many steps this took since the last cell."""
        trained, self.carried_steps = self.carried_steps, 0
        if self.failure or step <= self.step:
            return trained
        trained += step - self.step
        self.state, tail, self.failure = self._run(self.state, self.step, step, None, 0)
        self.curve, self.step = np.concatenate([self.curve, tail]), step
        if not self.failure:
            spent = time.perf_counter() - self.clock + self.carried_seconds
            checkpoint.save(
                self.path, checkpoint.Stored(self.state, step, self.curve, spent, trained)
            )
        return trained

    def _run(
        self, state: State, first: int, last: int, cool_from: int | None, cool_steps: int
    ) -> tuple[State, Curve, str]:
        """Steps `first` ... `last` in chunks; each chunk's losses are read one chunk later,
        so that the device never waits for the host. Also says what went wrong, or nothing."""
        pieces: list[Curve] = []
        pending: tuple[Any, Any] | None = None
        for start in range(first, last, CHUNK_STEPS):
            rates = schedule.rates(
                start,
                CHUNK_STEPS,
                peak=self.recipe.learning_rate,
                warmup=self.recipe.warmup_steps,
                cool_from=cool_from,
                cool_steps=cool_steps,
            )
            picks = self.feed.picks(start, CHUNK_STEPS)
            noise = schedule.noise(self.seed, start, CHUNK_STEPS)
            state, telemetry = self.program.chunk(state, self.feed.arrays, picks, rates, noise)
            if pending is not None:
                self._read(pending, pieces)
            pending = (telemetry, rates)
        if pending is not None:
            self._read(pending, pieces)
        curve = np.concatenate(pieces) if pieces else np.zeros((0, 3), np.float32)
        return state, curve, self._failure(curve, first)

    def _read(self, pending: tuple[Any, Any], pieces: list[Curve]) -> None:
        told, rates = jax.device_get(pending)
        piece = np.stack([told.loss, told.grad_norm, rates], 1).astype(np.float32)
        pieces.append(piece)
        self.on_progress(len(piece), float(piece[-1, 0]))

    def _failure(self, curve: Curve, first: int) -> str:
        bad = ~np.isfinite(curve[:, 0]) | (curve[:, 0] > self.feed.uniform + DIVERGED_NATS)
        if not bad.any():
            return ""
        at = int(np.argmax(bad))
        return f"loss {curve[at, 0]:.3g} at step {first + at}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
