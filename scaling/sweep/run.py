"""Trains what is not yet done: cells by trunk, over an executor, into the store.

This is the driver. It makes orders (`scaling.sweep.work`), longest first, hands them to the
executor, tells what it hears, and makes lost ones again. Other drivers may be at work on the same
study: their trunks are waited for, and taken over where they are left.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from scaling import devices
from scaling.grid import Cell, Data, canonical_json
from scaling.sweep.calibrate import need_jax
from scaling.sweep.cohorts import cohorts
from scaling.sweep.crew import LOOK_SECONDS, Crew, Ended, Lost
from scaling.sweep.executors.contract import Call, Executor
from scaling.sweep.onlook import Onlooker
from scaling.sweep.planning.plan import CellCost, by_length, costs
from scaling.sweep.planning.schedule import needs, roughly
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.lost import give_up
from scaling.sweep.storing.store import Store
from scaling.sweep.trackers import Specs, follow
from scaling.sweep.work import Cohort, Group, Order, Trained, work
from scaling.train import stopping

MOST_LIKE = 8  # runs whose curves make a trend


def train(
    cells: list[Cell],
    data: Data,
    store: Store,
    executor: Executor,
    *,
    timings: dict[str, dict[str, float]],
    on_event: Callable[[Trained], None] = lambda event: None,
    study: str = "",
    trackers: Specs = MappingProxyType({}),
    keep: Collection[str] = (),
) -> None:
    """Train every cell of `cells` that the store lacks, or that failed.

    Records are stored by the workers, and for cells whose workers die or hang at every attempt,
    here. study: its name, for the trackers, which `trackers.ready` made. keep: trunks whose
    checkpoints stay, since longer cells of them may come. Raises `stopping.Stopped` where this
    process is asked to stop meanwhile.
    """
    known = costs(cells, timings, executor.platform)
    done = store.done(cells)
    groups, _ = by_length(cells, known)
    # Finished cells stay in their group only to be skipped: the trunk resumes behind them.
    left = [[cell for cell in group if cell.id not in done] for group in groups]
    left = [group for group in left if group]
    if not left:
        return
    need_jax()
    # On a CPU a program of several runs loses to one after another (benchmarks/cohort.py).
    alone = (executor.platform or devices.platform()) == "cpu"
    together = [[group] for group in left] if alone else cohorts(left)
    common = partial(
        Order,
        data=data,
        folder=str(store.folder.absolute()),
        study=study,
        trackers=dict(trackers),
        keep=frozenset(keep),
    )
    driver = _Driver(cells, done, store, executor, known, on_event, common)
    with stopping.catch():
        driver.drive(together)
    store.clean()


class _Driver:
    """One call of `train` on its way."""

    def __init__(
        self,
        cells: Sequence[Cell],
        done: Collection[str],
        store: Store,
        executor: Executor,
        known: dict[str, CellCost],
        on_event: Callable[[Trained], None],
        order: Callable[..., Order],
    ) -> None:
        self.store, self.executor, self.known, self.order = store, executor, known, order
        self.like = _like(cells)
        recovery = cells[0].recovery
        self.claims = Claims(store.folder)
        by_trunk: dict[str, list[Cell]] = defaultdict(list)
        for cell in cells:
            by_trunk[cell.trunk].append(cell)
        self.onlooker = Onlooker(
            store, self.claims, by_trunk, on_event, recovery.hang_seconds, done
        )
        self.thread = threading.current_thread()
        self.messages: queue.SimpleQueue[Trained] = queue.SimpleQueue()
        executor.on_message = self._message
        self.crew = Crew(
            executor,
            retries=recovery.retries,
            errors_are_lost=True,
            key=self._first_left,
            progress=self._progress,
        )
        self.elsewhere: dict[str, Group] = {}  # trunks that others were found at work on

    def drive(self, together: Sequence[Cohort]) -> None:
        self.crew.add([self._call(bundle) for bundle in self._bundles(together)])
        while self.crew.busy or self.elsewhere:
            if (why := stopping.asked()) is not None:
                raise stopping.Stopped(why, saved=True)
            for one in self._look():
                self._hear()
                self._ended(one)
            self._hear()
            self.store.look_again()
            if self.onlooker.look(self._watched()):
                self._end_what_shows_no_life()
                self._take_up()

    def _look(self) -> Iterator[Ended]:
        if self.crew.busy:
            yield from self.crew.look(LOOK_SECONDS)
        else:
            time.sleep(LOOK_SECONDS)

    def _message(self, event: Trained) -> None:
        """From the executor, often in a thread of its own: it is told in this one."""
        if threading.current_thread() is self.thread:
            self.onlooker.hear(event)
        else:
            self.messages.put(event)

    def _hear(self) -> None:
        while True:
            try:
                self.onlooker.hear(self.messages.get_nowait())
            except queue.Empty:
                return

    def _ended(self, one: Ended) -> None:
        order: Order = one.call.args[0]
        groups = {group[0].trunk: group for cohort in order.cohorts for group in cohort}
        if one.lost is None:
            self.elsewhere |= {trunk: groups[trunk] for trunk in one.value}
            self.onlooker.records(trunk for trunk in groups if trunk not in self.elsewhere)
        else:
            self._give_up(order, one.lost)

    def _give_up(self, order: Order, lost: Lost) -> None:
        """The cohort that an order was lost at; the rest of it is another order."""
        left = self._left(order)
        cells = {cell.id: cell for cell in order.cells}

        def warn(told: str) -> None:
            self._message(Trained(order.cells[0].trunk, 0, float("nan"), warning=told))

        with follow(order.trackers, order.study, order.cells, warn) as tracking:
            for group in left[0] if left else ():
                step = self.onlooker.steps.get(group[0].trunk, 0)
                for record in give_up(self.store, group, lost, step, self.known):
                    tracking.cell(cells[record["run"]], record, None)
                    self.onlooker.hear(Trained(group[0].trunk, 0, float("nan"), record))
        if left[1:]:
            self.crew.add([self._call(left[1:])])

    def _watched(self) -> Collection[str]:
        """Trunks that no message tells of."""
        if self.executor.speaks:
            return self.elsewhere
        ours = [cell.trunk for call in self.crew.calls.values() for cell in call.args[0].cells]
        return {*self.elsewhere, *ours}

    def _end_what_shows_no_life(self) -> None:
        if self.executor.speaks:
            return
        for future, call in self.crew.calls.items():
            for trunk in {cell.trunk for cell in call.args[0].cells}:
                if told := self.onlooker.no_life(trunk):
                    self.executor.end(future, "hung", told)

    def _take_up(self) -> None:
        """What others have finished is done; what they left, or died over, is ours."""
        free, dead = [], {}
        for trunk, group in list(self.elsewhere.items()):
            claim = self.onlooker.claimed.get(trunk)
            if claim is not None and not self.claims.is_dead(claim):
                continue
            if claim is not None:
                dead[trunk] = claim.number
            del self.elsewhere[trunk]
            self.onlooker.records([trunk])
            if len(self.store.done(group)) < len(group):
                free.append(group)
        if free:
            self.crew.add([self._call([[group]], dead) for group in free])

    def _call(self, together: Sequence[Cohort], dead: dict[str, int] | None = None) -> Call:
        cells = [cell for cohort in together for group in cohort for cell in group]
        known = {cell.id: self.known[cell.id] for cell in cells}
        like = {cell.trunk: self.like[cell.trunk] for cell in cells}
        order = self.order(tuple(together), known=known, like=like, dead=dead or {})
        seconds = [cost.seconds for cost in known.values()]
        whole = replace(
            needs(cells[0], known[cells[0].id]),
            seconds=None if None in seconds else math.fsum(s for s in seconds if s is not None),
            memory_bytes=max(cost.memory_bytes for cost in known.values()),
        )
        label = f"{cells[0].family}-{cells[0].shape.N}-{cells[0].trunk[:6]}"
        return Call(work, (order,), whole, label)

    def _bundles(self, together: Sequence[Cohort]) -> list[list[Cohort]]:
        """Cohorts by order: one in each, or as many as make a call worth its start."""
        grain, bundles, filled = self.executor.grain_seconds, list[list[Cohort]](), math.inf
        platform = self.executor.platform or devices.platform()
        for cohort in together:
            cells = [cell for group in cohort for cell in group]
            length = math.fsum(roughly(self.known[cell.id], platform) for cell in cells)
            last = bundles[-1][-1][0][0].devices if bundles else None
            if filled + length <= grain and last == cohort[0][0].devices:
                bundles[-1].append(cohort)
                filled += length
            else:
                bundles.append([cohort])
                filled = length
        return bundles

    def _left(self, order: Order) -> list[Cohort]:
        """The cohorts of an order in which a cell has no record."""
        return [
            cohort
            for cohort in order.cohorts
            if any(self.store.record(cell.id) is None for group in cohort for cell in group)
        ]

    def _progress(self, call: Call) -> tuple[str, int]:
        """How far an order has come: its first trunk that is not done, and that one's step."""
        trunk = self._first_left(call)
        return trunk, self.onlooker.steps.get(trunk, 0)

    def _first_left(self, call: Call) -> str:
        """Where an order stands: what it was lost at is its first trunk that is not done."""
        order: Order = call.args[0]
        left = self._left(order) or order.cohorts
        return left[0][0][0].trunk


def _like(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Of each trunk: the longest cells of its like, of one size, batch and training set."""
    longest = {cell.trunk: cell for cell in sorted(cells, key=lambda cell: cell.steps)}
    rungs: dict[Any, list[Cell]] = defaultdict(list)

    def rung(cell: Cell) -> Any:
        return cell.family, canonical_json(cell.shape.to_dict()), cell.batch, cell.D_unique

    for cell in longest.values():
        rungs[rung(cell)].append(cell)
    return {
        trunk: [other.id for other in rungs[rung(cell)][: MOST_LIKE + 1] if other.trunk != trunk][
            :MOST_LIKE
        ]
        for trunk, cell in longest.items()
    }
