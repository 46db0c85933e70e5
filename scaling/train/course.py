"""Takes a run's steps, watches what they tell, and recovers as far as the grid allows.

A course is a trunk on its way, or a branch that cools down. Whatever happened to it stands in its
log, which goes into checkpoints and records.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.grid import CHUNK_STEPS, Cell
from scaling.train import schedule
from scaling.train.diagnosis import Watch
from scaling.train.findings import Finding
from scaling.train.legs import Legs
from scaling.train.log import Log, Reading, Rewind, faults_of
from scaling.train.step import Program, State
from scaling.train.stopping import Stopped
from scaling.train.tasks import Feed
from scaling.train.telemetry import Chunk
from scaling.train.trajectory import BEYOND, Trend

# What a chunk told, what is new of it, and all that has happened so far.
OnChunk = Callable[[Chunk, list[Finding], Log], None]
BLOWN_UP = 10.0  # times the loss that is far from any use


class Sent(NamedTuple):
    """A chunk on its way."""

    first_step: int
    told: Any
    rates: NDArray[np.float32]
    waited: float


class Course:
    """One trunk or branch.

    cooling: the step from which a branch cools down, and for how long. good: the last good snapshot
    and its step, of a course that is taken up again. trend: how the loss of runs of this size
    falls, where that is known. legs: when it rests.
    """

    def __init__(
        self,
        cell: Cell,
        program: Program,
        feed: Feed,
        state: State,
        step: int,
        log: Log,
        on_chunk: OnChunk,
        *,
        cooling: tuple[int, int] | None = None,
        good: tuple[int, State] | None = None,
        trend: Trend | None = None,
        legs: Legs | None = None,
    ) -> None:
        self.cell, self.program, self.feed, self.on_chunk = cell, program, feed, on_chunk
        self.state, self.step, self.log, self.cooling = state, step, log, cooling
        self.failure = ""  # why it was ended
        scaled = bool(state.scale)
        self.trend, self.legs = trend, legs or Legs()
        self._watch = Watch(program.blocks.names, feed.uniform, trend, scaled=scaled)
        # What it saw before it was interrupted, or branched off: a rewind begins it anew.
        since = log.rewinds[-1].to if log.rewinds else 0
        for chunk in log.chunks:
            if chunk.first_step >= since:
                self._watch.see(chunk)
        self._faults = log.faults()
        self.good = good
        self._candidate: tuple[int, State] | None = None
        self._read_at = time.perf_counter()

    def branch(self, cool_steps: int) -> Course:
        """The cooldown from here: its steps, and all that befalls it, are its own."""
        return Course(
            self.cell,
            self.program,
            self.feed,
            jax.tree.map(jnp.copy, self.state),  # a chunk donates its state
            self.step,
            self.log.copy(),
            self.on_chunk,
            cooling=(self.step, cool_steps),
            trend=self.trend,
            legs=self.legs,
        )

    @property
    def ended(self) -> bool:
        return bool(self.failure) or self.log.stopped_at is not None

    def advance(self, last: int, keep: Callable[[], None] = lambda: None) -> None:
        """Steps up to `last`, in chunks, or until it fails or is stopped early.

        keep: called with nothing in flight, once a minute and before it stops as asked, which
        raises `Stopped`.
        """
        every = self.cell.recipe.evaluate_every
        while self.step < last and not self.ended:
            self._leg(last if every is None else min(last, every * (self.step // every + 1)))
            if every is not None and self.step % every == 0 and not self.failure:
                self._take_reading()
            if not self.ended:
                self._rest(keep)

    def _rest(self, keep: Callable[[], None]) -> None:
        rest = self.legs.rest()
        if rest.keep:
            keep()
        if rest.stop is not None:
            raise Stopped(rest.stop, rest.keep)

    def _leg(self, last: int) -> None:
        """Steps up to `last`, or to the next rest. Each chunk is read one chunk later, so that the
        device never waits for the host."""
        pending: Sent | None = None
        self.legs.begin()
        while not self.failure:
            sent = None
            if self.step < last and self.legs.more():
                self._keep_snapshot(settled=pending is None)
                sent = self._send()
            if pending is not None and self._read(pending):
                sent = None  # it was sent from a state that is given up
            elif sent is None:
                return
            pending = sent

    def _send(self) -> Sent:
        first, recipe = self.step, self.cell.recipe
        cool_from, cool_steps = self.cooling or (None, 0)
        rates = schedule.rates(
            first,
            CHUNK_STEPS,
            peak=recipe.learning_rate,
            warmup=recipe.warmup_steps,
            cool_from=cool_from,
            cool_steps=cool_steps,
        )
        rates = rates * np.float32(self.log.factor)
        at = first + self.log.passed
        waited = self.feed.waited
        picks = self.feed.picks(at, CHUNK_STEPS)
        noise = schedule.noise(self.cell.seed, at, CHUNK_STEPS)
        self.state, told = self.program.chunk(self.state, self.feed.arrays, picks, rates, noise)
        self.step += CHUNK_STEPS
        return Sent(first, told, rates, self.feed.waited - waited)

    def _read(self, sent: Sent) -> bool:
        """Take in a chunk that has ended; whether the course was rewound."""
        told: dict[str, Any] = {
            k: v if np.ndim(v) else float(v) for k, v in jax.device_get(sent.told)._asdict().items()
        }
        now = time.perf_counter()
        chunk = Chunk(
            first_step=sent.first_step,
            learning_rate=sent.rates,
            seconds=now - self._read_at,
            waited=sent.waited,
            **told,
        )
        self._read_at = now
        new = self._watch.see(chunk)
        self.log.chunks.append(chunk)
        self._faults += faults_of(chunk)
        self.log.findings += new
        self.on_chunk(chunk, new, self.log)
        hopeless, lost = self._hopeless(chunk, new), self._lost(new)
        if (hopeless or lost) and self._may_rewind():
            self._rewind(chunk, hopeless or lost)
            return True
        self.log.lost = self.log.lost or lost
        self.failure = hopeless or (lost if self.cell.recovery.give_up else "")
        self._settle(chunk.last_step)
        return False

    def _lost(self, new: list[Finding]) -> str:
        """Why the course had better not go on as it is, or nothing."""
        for finding in new:
            spike = finding.label == "spike" and self._may_rewind()
            if finding.label == "divergence" or spike:
                return f"{finding.told} at step {finding.step}"
        return ""

    def _hopeless(self, chunk: Chunk, new: list[Finding]) -> str:
        """Why nothing is to be had from going on, or nothing."""
        if self._over_budget():
            bad = chunk.first_step + int(np.argmax(chunk.skipped))
            return (
                f"{self._faults} steps were not finite, the last at step {bad}; "
                f"{self.cell.recovery.skip_steps} may be skipped"
            )
        if chunk.loss_scale < 1:
            return f"the scale of float16's losses fell below 1 at step {chunk.last_step}"
        # Far above a uniform guess and above where the run began, in most steps or out of all
        # proportion: that does not come back. A hard batch alone is for the watch to judge.
        limit = max(self.feed.uniform, self.log.chunks[0].loss[0]) + BEYOND
        losses = np.where(np.isfinite(chunk.loss), chunk.loss, -np.inf)
        beyond = losses > limit
        if 2 * beyond.sum() > chunk.sound.sum() or (losses > BLOWN_UP * limit).any():
            at = int(np.argmax(beyond))
            step, told = chunk.first_step + at, f"loss {chunk.loss[at]:.3g}"
            if not any(finding.label == "divergence" for finding in new):
                # Given up before the watch, which waits whether it comes back, has named it.
                self.log.findings.append(Finding("divergence", step, "", told))
            return f"{told} at step {step}"
        return ""

    def _may_rewind(self) -> bool:
        return len(self.log.rewinds) < self.cell.recovery.rewinds and self.good is not None

    def _over_budget(self) -> bool:
        return self._faults > self.cell.recovery.skip_steps

    def _keep_snapshot(self, *, settled: bool) -> None:
        """A copy of the state where one is due; it is good once all before it was read as such."""
        recovery = self.cell.recovery
        every = CHUNK_STEPS * max(1, recovery.snapshot_every // CHUNK_STEPS)
        if not recovery.rewinds or (self.step % every and self.good is not None):
            return
        self._candidate = (self.step, jax.tree.map(jnp.copy, self.state))
        if settled:
            self._settle(self.step)

    def _settle(self, step: int) -> None:
        if self._candidate is not None and self._candidate[0] <= step:
            self.good, self._candidate = self._candidate, None

    def _rewind(self, chunk: Chunk, why: str) -> None:
        """Back to the last good snapshot, and past every batch that was seen since."""
        assert self.good is not None
        to, state = self.good
        recovery, log = self.cell.recovery, self.log
        log.rewinds.append(Rewind(chunk.last_step, to, why))
        log.chunks = [c for c in log.chunks if c.last_step <= to]
        self._faults = log.faults()
        log.held_out = {step: loss for step, loss in log.held_out.items() if step <= to}
        log.passed += self.step - to
        log.factor *= recovery.lower_rate or 1.0
        self.state, self.step, self._candidate = jax.tree.map(jnp.copy, state), to, None
        log.lost = ""
        if recovery.reset_moments:
            self.state = self.program.with_fresh_moments(self.state)

    def at_end(self) -> list[Finding]:
        """What is plain once it has ended."""
        return self._watch.end()

    def _take_reading(self) -> None:
        measured = self.program.evaluate(
            self.state, self.feed.held_out_arrays, self.feed.held_out()
        )
        self._read_at = time.perf_counter()  # no chunk's own time
        reading, log = Reading(self.step, measured), self.log
        log.held_out[self.step] = reading.loss
        if log.best is None or reading.loss < log.best.loss:
            log.best = reading
        patience = self.cell.recipe.early_stop
        since = [step for step in log.held_out if step > log.best.step]
        if patience is not None and len(since) >= patience:
            log.stopped_at = self.step
