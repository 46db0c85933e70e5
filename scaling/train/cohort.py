"""Runs of one shape as one program: their chunks of steps go to the device together, on an axis of
their own.

Members share shape, batch, data and length; seed and learning rate are their own. Each is trained
by `engine.train_trunk` in a thread of its own, as if it were alone, with all that may befall it:
only its chunks wait for those of the others. So a member that diverges, is rewound or ends touches
no other. On a GPU small runs fill the device this way; on a CPU it loses (benchmarks/cohort.py).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from scaling.data import Corpus, Images, Pairs
from scaling.grid import AnyData, Cell
from scaling.train import checkpoint
from scaling.train.course import OnChunk
from scaling.train.engine import train_trunk
from scaling.train.kept import HERE
from scaling.train.outcome import Outcome
from scaling.train.step import Program
from scaling.train.tasks import Feed, feed_of
from scaling.train.trajectory import Trend

if TYPE_CHECKING:
    from scaling.files import Place


def train_cohort(
    groups: Sequence[Sequence[Cell]],
    data: AnyData,
    *,
    checkpoint_path: Callable[[Cell], Place],
    on_cell: Callable[[Cell, Outcome], None],
    on_chunk: Callable[[Cell], OnChunk],
    on_damaged: Callable[[Place, str], None] = checkpoint.set_aside,
    trend: Callable[[Cell], Trend | None] = lambda cell: None,
    keep: Collection[str] = (),
) -> None:
    """Train the trunks of `groups` together; as `train_trunk` for each of them.

    keep: trunks that longer cells may come of. Where the device's memory doesn't suffice, in
    halves.
    """
    cohort, done = Cohort(len(groups)), set[str]()

    def finished(cell: Cell, outcome: Outcome) -> None:
        done.add(cell.id)
        on_cell(cell, outcome)

    def alone(cells: Sequence[Cell], **make: Any) -> None:
        train_trunk(
            cells,
            data,
            checkpoint_path=checkpoint_path(cells[0]),
            on_cell=finished,
            on_chunk=on_chunk(cells[0]),
            on_damaged=on_damaged,
            trend=trend(cells[0]),
            keep=cells[0].trunk in keep,
            **make,
        )

    def member(cells: Sequence[Cell]) -> bool:
        """Whether it found room."""
        try:
            alone(cells, make_program=cohort.program, make_feed=cohort.feed)
        except CrowdedError:
            return False
        finally:
            cohort.leave()
        return True

    # A stream's batches come one by one: its runs stay apart.
    if len(groups) == 1 or not isinstance(data, Corpus | Images | Pairs):
        for cells in groups:
            alone(cells, make_program=HERE.program, make_feed=HERE.feed)
        return
    with ThreadPoolExecutor(len(groups), "member") as threads:
        fitted = list(threads.map(member, groups))
    left = [cells for cells, fits in zip(groups, fitted, strict=True) if not fits]
    half = -(-len(left) // 2)
    for part in filter(None, (left[:half], left[half:])):
        train_cohort(
            [[cell for cell in cells if cell.id not in done] for cells in part],
            data,
            checkpoint_path=checkpoint_path,
            on_cell=on_cell,
            on_chunk=on_chunk,
            on_damaged=on_damaged,
            trend=trend,
            keep=keep,
        )


class CrowdedError(Exception):
    """Memory ran out with so many members."""


class Cohort:
    """What members share: the program and the data."""

    def __init__(self, members: int) -> None:
        self.size = self.live = members
        self._lock = threading.Lock()
        self._together: Together | None = None
        self._feed: Feed | None = None

    def program(self, *args: Any, pieces: int | None = None, **kwargs: Any) -> Program:
        """One member's: its chunks are taken with those of all others."""
        if pieces is not None:
            raise CrowdedError
        with self._lock:
            if self._together is None:
                program = HERE.program(*args, **kwargs)
                assert program.blocks  # its own methods find them: a copy must have them
                self._together = Together(program, self)
        own = copy.copy(self._together.program)
        own.chunk = self._together.chunk
        return own

    def feed(self, cell: Cell, data: AnyData) -> Feed:
        """One member's; its arrays lie on the device once for all."""
        with self._lock:
            self._feed = feed_of(cell, data, self._feed)
            return self._feed

    def leave(self) -> None:
        """One member has ended: nobody waits for it any more."""
        with self._lock:
            self.live -= 1
        if self._together is not None:
            self._together.look()


class Together:
    """Chunks that wait until every live member has brought its own."""

    def __init__(self, program: Program, cohort: Cohort) -> None:
        self.program, self.cohort = program, cohort
        self._waiting: list[_Chunk] = []
        self._changed = threading.Condition()
        self.all_at_once = jax.jit(self._vmapped, donate_argnums=0)

    def chunk(self, state: Any, arrays: Any, picks: Any, rates: Any, noise: Any) -> Any:
        mine = _Chunk(state, (picks, rates, noise))
        with self._changed:
            self._waiting.append(mine)
            self._take(arrays)
            while not mine.taken:
                self._changed.wait()
                self._take(arrays)
        if mine.error is not None:
            raise mine.error
        return mine.outcome

    def look(self) -> None:
        """Somebody left: those who wait may be all."""
        with self._changed:
            self._changed.notify_all()

    def _take(self, arrays: Any) -> None:
        """Send off what waits, if nobody is missing."""
        if not self._waiting or len(self._waiting) < self.cohort.live:
            return
        chunks, self._waiting = self._waiting, []
        # Places of those who left are filled, so that the program stays the one that is compiled.
        fill = [chunks[0].filler() for _ in range(self.cohort.size - len(chunks))]
        states = [chunk.state for chunk in (*chunks, *fill)]
        steps = [chunk.steps for chunk in (*chunks, *fill)]
        try:
            outcomes = self.all_at_once(states, arrays, steps)
            for chunk, outcome in zip(chunks, outcomes, strict=False):
                chunk.outcome = outcome
        except jax.errors.JaxRuntimeError as error:
            for chunk in chunks:
                chunk.error = error
        for chunk in chunks:
            chunk.taken = True
        self._changed.notify_all()

    def _vmapped(self, states: list[Any], arrays: Any, steps: list[Any]) -> list[Any]:
        outcomes = jax.vmap(self.program.chunk, in_axes=(0, None, 0, 0, 0))(
            _stacked(states), arrays, *_stacked(steps)
        )
        return [jax.tree.map(lambda leaf, n=n: leaf[n], outcomes) for n in range(len(states))]


class _Chunk:
    """One member's, on its way."""

    def __init__(self, state: Any, steps: tuple[Any, Any, Any]) -> None:
        self.state, self.steps = state, steps
        self.taken, self.outcome, self.error = False, None, None

    def filler(self) -> _Chunk:
        return _Chunk(jax.tree.map(jnp.copy, self.state), self.steps)  # states are donated


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
