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

from scaling.data import Corpus, WindowOrder, held_out_windows
from scaling.grid import CHUNK_STEPS, Cell
from scaling.train import checkpoint, schedule
from scaling.train.step import Program, State

EVAL_WINDOWS = 64
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
    curve: Curve  # [steps, 3]: loss, gradient norm, learning rate
    seconds: float
    steps_trained: int  # own steps: the trunk segment first needed by this cell, and the cooldown
    started_at: str
    trained_at: str


def train_trunk(
    cells: Sequence[Cell],
    corpus: Corpus,
    *,
    checkpoint_path: Path,
    on_cell: Callable[[Cell, Outcome], None],
    on_progress: Progress = lambda steps, loss: None,
) -> None:
    """Train `cells` (all of one trunk), shortest first; `on_cell` gets each as it finishes."""
    cells = sorted(cells, key=lambda cell: cell.steps)
    trunk = _Trunk(cells[0], corpus, checkpoint_path, on_progress)
    for cell in cells:
        on_cell(cell, trunk.finish(cell))
    checkpoint_path.unlink(missing_ok=True)


class _Trunk:
    """The stable part of a run, resumed from its checkpoint where there is one."""

    def __init__(self, cell: Cell, corpus: Corpus, path: Path, on_progress: Progress) -> None:
        recipe, shape = cell.recipe, cell.shape
        self.clock = time.perf_counter()
        self.started_at = _now()
        self.path, self.recipe, self.on_progress = path, recipe, on_progress
        self.vocab = corpus.vocab
        self.program = Program(cell.family, shape, recipe, cell.context)
        self.order = WindowOrder(
            cell.D_unique, cell.context, recipe.batch_tokens // cell.context, cell.seed
        )
        self.tokens = jnp.asarray(np.asarray(corpus.train[: cell.D_unique]))
        self.held_out = jnp.asarray(np.asarray(corpus.held_out))
        self.eval_starts = evaluation_windows(len(corpus.held_out), cell.context, cell.eval_tokens)
        # The same number of training windows, spread evenly: the memorisation gap.
        self.train_starts = np.linspace(
            0, cell.D_unique - cell.context - 1, self.eval_starts.size, dtype=np.int32
        ).reshape(self.eval_starts.shape)[: max(1, len(self.eval_starts) // 4)]
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
            losses = self._losses(state, self.held_out, self.eval_starts)
            if np.isfinite(losses).all():
                loss, loss_se = float(losses.mean()), float(losses.std(ddof=1) / losses.size**0.5)
                train_loss = float(self._losses(state, self.tokens, self.train_starts).mean())
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

    def _losses(self, state: State, tokens: Any, starts: NDArray[np.int32]) -> NDArray[np.float64]:
        """The loss of each window."""
        return np.asarray(self.program.evaluate(state.params, tokens, starts), np.float64).ravel()

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
            starts = self.order.starts(start, CHUNK_STEPS)
            state, telemetry = self.program.chunk(state, self.tokens, starts, rates)
            if pending is not None:
                self._read(pending, pieces)
            pending = (telemetry, rates)
        if pending is not None:
            self._read(pending, pieces)
        curve = np.concatenate(pieces) if pieces else np.zeros((0, 3), np.float32)
        return state, curve, self._failure(curve, first)

    def _read(self, pending: tuple[Any, Any], pieces: list[Curve]) -> None:
        (losses, norms), rates = pending
        piece = np.stack([np.asarray(losses), np.asarray(norms), rates], 1).astype(np.float32)
        pieces.append(piece)
        self.on_progress(len(piece), float(piece[-1, 0]))

    def _failure(self, curve: Curve, first: int) -> str:
        bad = ~np.isfinite(curve[:, 0]) | (curve[:, 0] > np.log(self.vocab) + DIVERGED_NATS)
        if not bad.any():
            return ""
        at = int(np.argmax(bad))
        return f"loss {curve[at, 0]:.3g} at step {first + at}"


def evaluation_windows(n_tokens: int, context: int, limit: int) -> NDArray[np.int32]:
    """Starts of the fixed held-out windows, [batches, EVAL_WINDOWS], spread over the whole part."""
    starts = held_out_windows(n_tokens, context)
    count = min(len(starts), max(1, limit // context))
    batch = min(count, EVAL_WINDOWS)
    spread = np.linspace(0, len(starts) - 1, count // batch * batch).astype(int)
    chosen: NDArray[np.int32] = starts[spread].astype(np.int32)
    return chosen.reshape(-1, batch)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
