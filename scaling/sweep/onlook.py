"""What the store tells a driver that no message does: the work of others, and of silent workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from scaling.sweep import worker
from scaling.sweep.storing.claims import Claims, Seen
from scaling.sweep.storing.store import Store
from scaling.sweep.work import Group, Trained

LOOK_SECONDS = 2.0


class Onlooker:
    """Looks at claims and records every so often, and tells what is new as events.

    groups: the cells of each trunk; told: those whose records are no news.
    """

    def __init__(
        self,
        store: Store,
        claims: Claims,
        groups: Mapping[str, Group],
        on_event: Callable[[Trained], None],
        hang_seconds: float,
        told: Collection[str] = (),
    ) -> None:
        self.store, self.claims, self.groups, self.on_event = store, claims, groups, on_event
        self.hang_seconds = hang_seconds
        self.claimed: dict[str, Seen] = {}  # at the last look
        self.steps: dict[str, int] = {}  # the last that was told of each trunk
        self._told = set(told)  # cells whose record was
        self._alive: set[tuple[str, int]] = set()  # claims that were seen to live
        self._moved: dict[str, tuple[float, float]] = {}  # when, and CPU seconds by then
        self._looked = float("-inf")

    def hear(self, event: Trained) -> None:
        """A message of a worker."""
        self.steps[event.trunk] = max(event.step, self.steps.get(event.trunk, 0))
        if event.record is not None:
            if event.record["run"] in self._told:
                return
            self._told.add(event.record["run"])
        self.on_event(event)

    def look(self, trunks: Collection[str]) -> bool:
        """Tell what is new of these trunks; whether it was time to look."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        before, self.claimed = self.claimed, self.claims.all() if trunks else {}
        for trunk in trunks:
            if (seen := self.claimed.get(trunk)) is not None:
                self._progress(seen)
                if not self.claims.is_dead(seen) and self.claims.has_beaten(seen):
                    self._alive.add((trunk, seen.number))
        self.records(trunk for trunk in trunks if trunk in self.claimed or trunk in before)
        self._looked = time.monotonic()
        return True

    def records(self, trunks: Iterable[str]) -> None:
        """Tell the records of these trunks that were not told."""
        for trunk in trunks:
            for cell in self.groups[trunk]:
                if cell.id in self._told:
                    continue
                record = self.store.record(cell.id)
                if record is not None:
                    self.hear(Trained(trunk, 0, record["loss"], record))

    def no_life(self, trunk: str) -> str | None:
        """Why the work on a claimed trunk is to be ended: what is wrong with it, if anything."""
        seen = self.claimed.get(trunk)
        if seen is None:
            return None
        # One that was dead before is of an earlier attempt: this one has yet to take it over.
        if (trunk, seen.number) in self._alive and self.claims.is_dead(seen):
            self._alive.remove((trunk, seen.number))
            return f"{seen.holder.get('host')}: no sign of life for {self.claims.lease_seconds:g} s"
        when, cpu = self._moved.get(trunk, (time.monotonic(), 0.0))
        still = time.monotonic() - when
        computes = float(seen.facts.get("cpu", cpu)) - cpu > worker.COMPUTES * still
        if still > self.hang_seconds * (worker.BUSY if computes else 1):
            return f"no sign of progress for {still:.0f} s"
        return None

    def _progress(self, seen: Seen) -> None:
        trunk, facts = seen.trunk, seen.facts
        step, cpu = int(facts.get("step", 0)), float(facts.get("cpu", 0.0))
        told = self.steps.get(trunk, 0)
        if step != told or trunk not in self._moved:
            self._moved[trunk] = time.monotonic(), cpu
        if step > told:
            loss = float(facts.get("loss", float("nan")))
            self.hear(Trained(trunk, step - told, loss, step=step))
