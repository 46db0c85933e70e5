"""Calls on their way through an executor, and those that are made again: one rule for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any, Literal

from scaling.errors import InputError
from scaling.sweep.executors.contract import Call, Executor, LostError


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
    that was preempted, as often as that happens. An InputError ends all, and so does any other
    error of a call, unless `errors_are_lost`: then it is tried again, too.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        retries: int = 2,
        errors_are_lost: bool = False,
        key: Callable[[Call], Any] = id,
    ) -> None:
        self.executor, self.retries, self.key = executor, retries, key
        self.errors_are_lost = errors_are_lost
        self._calls: dict[Future[Any], Call] = {}
        self._attempts = Counter[Any]()

    def add(self, calls: Sequence[Call]) -> None:
        self._calls.update(zip(self.executor.submit_all(calls), calls, strict=True))

    @property
    def busy(self) -> bool:
        return bool(self._calls)

    @property
    def calls(self) -> dict[Future[Any], Call]:
        """Those on their way."""
        return dict(self._calls)

    def look(self, seconds: float) -> list[Ended]:
        """The calls that ended; waits so long for the first of them."""
        done, _ = wait(self._calls, seconds, FIRST_COMPLETED)
        ended, again = [], []
        for future in done:
            call = self._calls.pop(future)
            try:
                ended.append(Ended(call, future.result()))
            except (InputError, CancelledError):
                raise
            except LostError as lost:
                if lost.label == "preempted":
                    again.append(call)
                else:
                    self._count(call, lost.label, lost.told, ended, again)
            except Exception as error:
                if not self.errors_are_lost:
                    raise
                self._count(call, "error", str(error), ended, again)
        if again:
            self.add(again)
        return ended

    def _count(
        self,
        call: Call,
        label: Literal["killed", "hung", "error"],
        told: str,
        ended: list[Ended],
        again: list[Call],
    ) -> None:
        key = self.key(call)
        self._attempts[key] += 1
        if self._attempts[key] <= self.retries:
            again.append(call)
        else:
            ended.append(Ended(call, lost=Lost(label, told, self._attempts[key])))
