r"""Trains one trunk and its cooldown branches: the cells of one shape, seed and recipe.

    trunk    ----+--------+----------------+
                  \        \                \      (cooldown branches, one a token budget)
    cells          D_1      D_2              D_3

The trunk is checkpointed at each branch point, and once a minute on its way, so that what finished
is never trained again. A branch is, step for step, the dedicated run of its length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.grid import AnyData, Cell
from scaling.train import checkpoint, distributed, mesh
from scaling.train.course import Course, Log, OnChunk, Reading
from scaling.train.measure import Cost, cost
from scaling.train.step import Program
from scaling.train.tasks import Feed, feed_of
from scaling.train.telemetry import Chunk
from scaling.train.trajectory import BEYOND, Trend

# How XLA says that memory ran out, on every backend.
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


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


def train_trunk(
    cells: Sequence[Cell],
    data: AnyData,
    *,
    checkpoint_path: Path,
    on_cell: Callable[[Cell, Outcome], None],
    on_chunk: OnChunk = lambda chunk, findings, log: None,
    trend: Trend | None = None,
    make_program: Callable[..., Program] | None = None,
    make_feed: Callable[[Cell, AnyData], Feed] | None = None,
) -> None:
    """Train `cells` (all of one trunk), shortest first; `on_cell` gets each as it finishes.

    trend: how the loss of other runs of their size falls; one that is far behind is told.
    Where the device's memory doesn't suffice, the batch is taken in more and smaller pieces.
    Raises InputError where no smaller ones are left.
    """
    with mesh.over(cells[0].devices):
        left = sorted(cells, key=lambda cell: cell.steps)
        feed, pieces = (make_feed or feed_of)(left[0], data), None
        while left:
            trunk = _Trunk(left[0], feed, checkpoint_path, on_chunk, trend, make_program, pieces)
            try:
                while left:
                    on_cell(left[0], trunk.finish(left[0]))
                    del left[0]
            except jax.errors.JaxRuntimeError as error:
                if OUT_OF_MEMORY not in str(error):
                    raise
                pieces = _more_pieces(left[0], trunk.program.pieces)
            finally:
                trunk.writer.close()
    if distributed.leads():
        checkpoint.remove(checkpoint_path)


class _Trunk:
    """The stable part of a run, resumed from its checkpoint where there is one."""

    def __init__(
        self,
        cell: Cell,
        feed: Feed,
        path: Path,
        on_chunk: OnChunk,
        trend: Trend | None,
        make_program: Callable[..., Program] | None,
        pieces: int | None,
    ) -> None:
        self.clock, self.cpu_clock = time.perf_counter(), time.process_time()
        self.started_at = _now()
        self.feed = feed
        self.program = (make_program or Program)(
            cell.family, cell.shape, cell.recipe, streamed=feed.streamed, pieces=pieces
        )
        self.examples = cell.batch // cell.shape.units
        self.writer = checkpoint.Writer(path, cell.trunk_facts())
        state, step, log = self.program.init(jax.random.key(cell.seed)), 0, Log()
        mesh.check(cell, state.params)
        stored = checkpoint.load(path, state, cell.trunk_facts())
        if stored and stored.step > cell.steps - cell.cool_steps:
            stored = None  # beyond the shortest cell that is left: a trunk can't go back
        # What an interrupted run spent on this segment belongs to the cell that it was for.
        self.carried_seconds, self.carried_steps = 0.0, 0
        if stored:
            state, step, log = stored.state, stored.step, stored.log
            if stored.pays == cell.steps:
                self.carried_seconds, self.carried_steps = stored.seconds, stored.steps_trained
        self.stopped_with: set[int] = set()  # steps of the readings that stopped cells stand for
        self.course = Course(cell, self.program, feed, state, step, log, on_chunk, trend=trend)

    def finish(self, cell: Cell) -> Outcome:
        self._advance_to(cell)
        course, steps_trained = self.course, self.carried_steps
        if not course.ended:
            # What goes wrong in a branch is that cell's alone: the trunk goes on.
            course = course.branch(cell.cool_steps)
            course.advance(cell.steps)
            steps_trained += cell.cool_steps
        return self._outcome(cell, course, steps_trained)

    def _advance_to(self, cell: Cell) -> None:
        """Train the trunk up to where `cell` branches off, and keep it on the disk."""
        branch_from, first = cell.steps - cell.cool_steps, self.course.step
        carried = self.carried_steps

        def keep() -> None:
            if distributed.joined() and self.course.step < branch_from:
                return  # clocks differ between processes: all of them write here or none
            spent = time.perf_counter() - self.clock + self.carried_seconds
            self.carried_steps = carried + self.course.step - first
            course = self.course
            self.writer.save(
                checkpoint.Stored(
                    course.state, course.step, course.log, cell.steps, spent, self.carried_steps
                )
            )

        self.course.advance(branch_from, at_rest=keep)
        self.carried_steps = carried + self.course.step - first

    def _outcome(self, cell: Cell, course: Course, steps_trained: int) -> Outcome:
        log, failure = course.log, course.failure
        last, train_loss = self._last_reading(course), float("nan")
        if not failure and not last.loss <= self.feed.uniform + BEYOND:
            failure = f"held-out loss {last.loss:.3g} after step {last.step}"
        if failure:
            last = Reading(last.step, {"loss": np.full(2, np.nan)})
        elif last.step == course.step:
            sample = self.program.evaluate(course.state, self.feed.arrays, self.feed.sample())
            train_loss = float(sample["loss"].astype(np.float64).mean())
        losses = last.measured["loss"].astype(np.float64)
        best = min((log.best or last, last), key=lambda r: np.inf if np.isnan(r.loss) else r.loss)
        log.findings += course.at_end()
        now, cpu_now = time.perf_counter(), time.process_time()
        cpu_seconds = None if self.carried_seconds else cpu_now - self.cpu_clock
        seconds, self.clock = now - self.clock + self.carried_seconds, now
        self.cpu_clock = cpu_now
        self.carried_seconds, self.carried_steps = 0.0, 0
        started_at, self.started_at = self.started_at, _now()
        # One reading is one row: a longer cell that has the same best is no news.
        stopped_before = log.stopped_at is not None and last.step in self.stopped_with
        if log.stopped_at is not None:
            self.stopped_with.add(last.step)
        return Outcome(
            status=_status(failure or log.lost, log, stopped_before),
            reason=failure or log.lost or _reason(log, best),
            loss=last.loss,
            loss_se=float(losses.std(ddof=1) / losses.size**0.5),
            train_loss=train_loss,
            metrics={} if failure else self.feed.metrics(last.measured),
            log=log,
            blocks=self.program.blocks.names,
            steps=last.step,
            best_loss=best.loss,
            best_step=best.step,
            microbatch=self.examples // self.program.pieces,
            cost=cost(self.program, course.state, self.feed, cell, log.chunks),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            steps_trained=steps_trained,
            started_at=started_at,
            trained_at=_now(),
        )

    def _last_reading(self, course: Course) -> Reading:
        """The one that a cell is judged by: at its end, or the best where it was stopped early."""
        if course.log.stopped_at is not None and course.log.best is not None:
            return course.log.best
        if course.failure:
            return Reading(course.step, {"loss": np.full(2, np.nan)})
        measured = self.program.evaluate(
            course.state, self.feed.held_out_arrays, self.feed.held_out()
        )
        return Reading(course.step, measured)


def _status(failure: str, log: Log, stopped_before: bool) -> str:
    if failure:
        return "diverged"
    if stopped_before:
        return "stopped"
    return "recovered" if log.rewinds else "finished"


def _reason(log: Log, best: Reading) -> str:
    """What a reader of the table must know of a run that came to an end."""
    told = [f"rewound from step {r.step} to {r.to}: {r.why}" for r in log.rewinds]
    if log.skipped:
        told.append(f"{log.skipped} steps skipped: not finite")
    if log.stopped_at is not None:
        told.append(f"stopped early at step {log.stopped_at}: the best was at step {best.step}")
    return "; ".join(told)


def _more_pieces(cell: Cell, pieces: int) -> int:
    """Half the microbatch, or the next smaller one that divides the batch."""
    examples = cell.batch // cell.shape.units
    for more in range(2 * pieces, examples + 1):
        if examples % more == 0 and cell.unit != "pair":
            return more
    raise InputError(
        f"cell {cell.id}: out of memory with {examples // pieces} of {examples} examples at a time"
        + (": pairs are told apart within a whole batch" if cell.unit == "pair" else "")
        + '; give a smaller batch, or remat = "blocks"'
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
