"""Calls on their way through an executor, and those that are made again: one rule for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal

from scaling.errors import InputError
from scaling.sweep.executors.contract import Call, Executor, LostError

LOOK_SECONDS = 0.2
PREEMPTIONS = 20  # of one call that came no step further: it can never be done so


@dataclass(frozen=True)
class Lost:
    """Why a call was given up after its last attempt. label: what ended that."""

    label: Literal["killed", "hung", "error"]
    told: str
    attempts: int


@dataclass(frozen=True)
class Ended:
    """A call that will not be made again: what it returned, or why it was given up."""

    call: Call
    value: Any = None
    lost: Lost | None = None


class Crew:
    """The calls of one driver.

    A call whose worker was killed or hung is made again, `retries` times for the same `key`; one
    that was preempted, as often as that happens, as long as its `progress` is another each
    `PREEMPTIONS` times. An InputError ends all, and so does any other
    error of a call, unless `errors_are_lost`: then it is tried again, too.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        retries: int = 2,
        errors_are_lost: bool = False,
        key: Callable[[Call], Any] = id,
        progress: Callable[[Call], Any] = id,
    ) -> None:
        self.executor, self.retries, self.key, self.progress = executor, retries, key, progress
        self.errors_are_lost = errors_are_lost
        self._calls: dict[Future[Any], Call] = {}
        # Futures put themselves there: to wait on each of thousands would take longer than a cell.
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._ready: list[Future[Any]] = []
        self._attempts, self._preempted = Counter[Any](), Counter[Any]()

    def add(self, calls: Sequence[Call]) -> None:
        futures = self.executor.submit_all(calls)
        self._calls.update(zip(futures, calls, strict=True))
        for future in futures:
            future.add_done_callback(self._done.put)

    @property
    def busy(self) -> bool:
        return bool(self._calls)

    @property
    def calls(self) -> dict[Future[Any], Call]:
        """Those on their way."""
        return dict(self._calls)

    def ends(self) -> Iterator[Ended]:
        """All of them, as they end."""
        while self.busy:
            yield from self.look(LOOK_SECONDS)

    def look(self, seconds: float) -> Iterator[Ended]:
        """The calls that ended; waits so long for the first of them."""
        with suppress(Empty):
            self._ready.append(self._done.get(timeout=seconds))
            while True:
                self._ready.append(self._done.get_nowait())
        again: list[Call] = []
        # What went well first: an error that ends all must not hide it.
        self._ready.sort(key=lambda f: f.cancelled() or f.exception() is not None, reverse=True)
        while self._ready:
            future = self._ready.pop()
            call = self._calls.pop(future)
            try:
                yield Ended(call, future.result())
            except LostError as lost:
                if lost.label == "preempted":
                    at = self.progress(call)
                    self._preempted[at] += 1
                    if self._preempted[at] <= PREEMPTIONS:
                        again.append(call)
                    else:
                        told = f"preempted without progress in between: {lost.told}"
                        yield Ended(call, lost=Lost("killed", told, self._preempted[at]))
                elif self._may_again(call):
                    again.append(call)
                else:
                    yield self._lost(call, lost.label, lost.told)
            except (InputError, CancelledError):
                raise
            except Exception as error:
                if not self.errors_are_lost:
                    raise
                if self._may_again(call):
                    again.append(call)
                else:
                    yield self._lost(call, "error", str(error))
        if again:
            self.add(again)

    def _may_again(self, call: Call) -> bool:
        self._attempts[self.key(call)] += 1
        return self._attempts[self.key(call)] <= self.retries

    def _lost(self, call: Call, label: Literal["killed", "hung", "error"], told: str) -> Ended:
        return Ended(call, lost=Lost(label, told, self._attempts[self.key(call)]))
