r"""Trains one trunk and its cooldown branches: the cells of one shape, seed and recipe.

    trunk    ----+--------+----------------+
                  \        \                \      (cooldown branches, one a token budget)
    cells          D_1      D_2              D_3

Trunk and branches are checkpointed once a minute on their way, and when they are asked to stop
(`scaling.train.stopping`); a trunk also where a branch leaves it that others follow. So what
finished is never trained again, and a run longer than any time limit ends after several starts. A
branch is, step for step, the dedicated run of its length, and a resumed run the undisturbed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from scaling.grid import AnyData, Cell
from scaling.train import checkpoint, distributed, mesh
from scaling.train.course import Course, OnChunk
from scaling.train.legs import Legs
from scaling.train.log import Log, Reading
from scaling.train.measure import cost
from scaling.train.outcome import Outcome, reason, status
from scaling.train.step import Program, State
from scaling.train.tasks import Feed, feed_of
from scaling.train.trajectory import BEYOND, Trend

if TYPE_CHECKING:
    from scaling.files import Place

# How XLA says that memory ran out: a device's, and a CPU's.
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")


def train_trunk(
    cells: Sequence[Cell],
    data: AnyData,
    *,
    checkpoint_path: Place,
    on_cell: Callable[[Cell, Outcome], None],
    on_chunk: OnChunk = lambda chunk, findings, log: None,
    on_damaged: Callable[[Place, str], None] = checkpoint.set_aside,
    trend: Trend | None = None,
    make_program: Callable[..., Program] | None = None,
    make_feed: Callable[[Cell, AnyData], Feed] | None = None,
    keep: bool = False,
) -> None:
    """Train `cells` (all of one trunk), shortest first; `on_cell` gets each as it finishes.

    keep: longer cells may come: the trunk's checkpoint stays, where the last of `cells` left it.

    on_damaged: puts away a checkpoint that can't be read, with the reason; what it was of is
    trained again. trend: how the loss of other runs of their size falls; one that is far behind is
    told. Where the device's memory doesn't suffice, the batch is taken in more and smaller pieces.
    Raises MemoryError where no smaller ones are left, and `stopping.Stopped` once it has stopped as
    asked.
    """
    with mesh.over(cells[0].devices):
        left = sorted(cells, key=lambda cell: cell.steps)
        feed, pieces = (make_feed or feed_of)(left[0], data), None
        while left:
            trunk = _Trunk(
                left[0], feed, checkpoint_path, on_chunk, on_damaged, trend, make_program, pieces,
                keep,
            )  # fmt: skip
            try:
                while left:
                    on_cell(left[0], trunk.finish(*left))
                    trunk.writer.drop_branch()
                    del left[0]
            except jax.errors.JaxRuntimeError as error:
                if not any(told in str(error) for told in OUT_OF_MEMORY):
                    raise
                pieces = _more_pieces(left[0], trunk.program.pieces)
            finally:
                trunk.writer.close()
    if distributed.leads() and not keep:
        checkpoint.remove(checkpoint_path)


class _Trunk:
    """The stable part of a run, resumed from its checkpoint where there is one."""

    def __init__(
        self,
        cell: Cell,
        feed: Feed,
        path: Place,
        on_chunk: OnChunk,
        on_damaged: Callable[[Place, str], None],
        trend: Trend | None,
        make_program: Callable[..., Program] | None,
        pieces: int | None,
        keep: bool,
    ) -> None:
        self.clock, self.cpu_clock = time.perf_counter(), time.process_time()
        self.started_at = _now()
        self.cell, self.feed, self.on_damaged, self.keep = cell, feed, on_damaged, keep
        self.on_chunk, self.trend, self.legs = on_chunk, trend, Legs()
        self.program = (make_program or Program)(
            cell.family, cell.shape, cell.recipe, streamed=feed.streamed, pieces=pieces
        )
        self.examples = cell.batch // cell.shape.units
        self.writer = checkpoint.Writer(path, cell.trunk_facts())
        # What an interrupted run spent on this segment belongs to the cell that it was for.
        self.carried_seconds, self.carried_steps = 0.0, 0
        # Readings, by step, that cells stand for which were stopped early, and their lengths.
        self.stopped_with: dict[int, int] = {}
        state = self.program.init(jax.random.key(cell.seed))
        mesh.check(cell, state.params)
        self.course = self._course(state, 0, Log())
        stored = self._load(path)
        if stored and stored.step <= cell.steps - cell.cool_steps:  # a trunk can't go back
            self._carry(stored, cell)
            self.stopped_with |= stored.stopped_with
            self.course = self._course(stored.state, stored.step, stored.log, good=stored.good)

    def finish(self, cell: Cell, *longer: Cell) -> Outcome:
        """Train `cell`, the shortest that is left; `longer` ones will follow."""
        stored = self._load(checkpoint.of_branch(self.writer.path))
        if stored and stored.pays != cell.steps:
            stored = None  # another cell's
        if stored:
            self._carry(stored, cell)
        if longer or not stored:
            self._advance_to(cell, keep_last=bool(longer) or self.keep)
        course = self.course
        if not course.ended:
            # What goes wrong in a branch is that cell's alone: the trunk goes on.
            course = self._cool_down(cell, stored)
        outcome = self._outcome(cell, course)
        if course.log.stopped_at is not None and (longer or self.keep):
            # Whoever takes up the trunk must know what this cell stands for.
            self._save(self.course, (*longer, cell)[0])
            self.writer.wait()
        return outcome

    def _advance_to(self, cell: Cell, *, keep_last: bool) -> None:
        """Train the trunk up to where `cell` branches off."""
        first, carried = self.course.step, self.carried_steps

        def keep() -> None:
            self.carried_steps = carried + self.course.step - first
            self._save(self.course, cell)

        self.course.advance(cell.steps - cell.cool_steps, keep)
        self.carried_steps = carried + self.course.step - first
        if keep_last and self.course.step > first and not self.course.ended:
            self._save(self.course, cell)

    def _cool_down(self, cell: Cell, stored: checkpoint.Stored | None) -> Course:
        """The branch of `cell`, from its beginning or from where it was stopped."""
        cool = cell.cool_steps
        if stored:
            course = self._course(
                stored.state, stored.step, stored.log, good=stored.good,
                cooling=(cell.steps - cool, cool),
            )  # fmt: skip
        else:
            course = self.course.branch(cool)
        first, carried = course.step, self.carried_steps

        def keep() -> None:
            self.carried_steps = carried + course.step - first
            self._save(course, cell, branch=True)

        course.advance(cell.steps, keep)
        self.carried_steps = carried + course.step - first
        if not course.ended and self.legs.worth_keeping():
            keep()
        return course

    def _course(self, state: State, step: int, log: Log, **known: Any) -> Course:
        return Course(
            self.cell, self.program, self.feed, state, step, log, self.on_chunk,
            trend=self.trend, legs=self.legs, **known,
        )  # fmt: skip

    def _load(self, path: Place) -> checkpoint.Stored | None:
        try:
            return checkpoint.load(path, self.course.state, self.cell.trunk_facts())
        except checkpoint.DamagedError as error:
            if distributed.leads():
                self.on_damaged(path, str(error))
            return None

    def _carry(self, stored: checkpoint.Stored, cell: Cell) -> None:
        if stored.pays == cell.steps:
            # A branch's cost includes that of the trunk up to it.
            self.carried_seconds = max(self.carried_seconds, stored.seconds)
            self.carried_steps = max(self.carried_steps, stored.steps_trained)
            self.started_at = min(self.started_at, stored.started_at)

    def _save(self, course: Course, cell: Cell, *, branch: bool = False) -> None:
        """Keep it on the disk; what was spent since the last finished cell is for `cell`."""
        stored = checkpoint.Stored(
            state=course.state,
            step=course.step,
            log=course.log,
            pays=cell.steps,
            seconds=time.perf_counter() - self.clock + self.carried_seconds,
            steps_trained=self.carried_steps,
            started_at=self.started_at,
            good=course.good,
            stopped_with=self.stopped_with,
        )
        self.writer.save(stored, branch=branch)
        self.legs.kept()

    def _outcome(self, cell: Cell, course: Course) -> Outcome:
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
        steps_trained = self.carried_steps
        self.carried_seconds, self.carried_steps = 0.0, 0
        started_at, self.started_at = self.started_at, _now()
        # One reading is one row: a longer cell that has the same best is no news.
        stopped_before = False
        if log.stopped_at is not None:
            stopped_before = self.stopped_with.setdefault(last.step, cell.steps) != cell.steps
        return Outcome(
            status=status(failure or log.lost, log, stopped_before),
            reason=failure or log.lost or reason(log, best),
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


def _more_pieces(cell: Cell, pieces: int) -> int:
    """Half the microbatch, or the next smaller one that divides the batch."""
    examples = cell.batch // cell.shape.units
    for more in range(2 * pieces, examples + 1):
        if examples % more == 0 and cell.unit != "pair":
            return more
    raise MemoryError(
        f"cell {cell.id}: out of memory with {examples // pieces} of {examples} examples at a time"
        + (": pairs are told apart within a whole batch" if cell.unit == "pair" else "")
        + '; give a smaller batch, or remat = "blocks"'
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
