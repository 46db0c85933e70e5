"""The debug executor: every call at once, in this very process. No cores, no pipes, no retries of
processes: errors come with their whole traceback, and a debugger stops where the code is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.executors.contract import Call, End, Executor, LostError, Options
from scaling.train import stopping

NAME = "debug"


class Settings(Options):
    """There is nothing to set."""


def start(settings: Settings, *, workers: int | None, hang_seconds: float) -> Debug:
    """The executor of this process."""
    if workers not in (None, 1):
        raise InputError(f"executor debug: {workers} workers; it has one, this process")
    return Debug()


class Debug(Executor):
    """A call is made when it is submitted; its future is done then."""

    slots = 1

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        if several := next((c.needs.processes for c in calls if c.needs.processes > 1), 0):
            raise InputError(f"executor debug: a cell takes {several} hosts; it has this process")
        return [self.made(call) for call in calls]

    def end(self, future: Future[Any], label: End = "killed", told: str = "ended by hand") -> None:
        """Nothing runs that could be ended from elsewhere."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is held."""

    def made(self, call: Call) -> Future[Any]:
        """The future of a call, done."""
        future: Future[Any] = Future()
        if stopping.asked():
            future.cancel()
            return future
        try:
            with worker.here(self.on_message or (lambda message: None)):
                future.set_result(call.fn(*call.args))
        except stopping.Stopped as stopped:
            future.set_exception(LostError("preempted", str(stopped)))
        except Exception as error:
            future.set_exception(error)
        return future
