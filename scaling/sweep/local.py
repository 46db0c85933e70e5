"""The local executor: one pinned single-threaded process a core, longest work first.

On a CPU this is worth more than any threading inside a step (benchmarks/train.py). Each worker has
a pipe of its own to the driver, so that one that is killed or hangs harms no other.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Literal

from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.worker import Message as Message
from scaling.sweep.worker import send as send

# A worker that tells nothing but computes may compile: it gets so many times as long.
BUSY = 10.0
LOOK_SECONDS = 0.2
ABSENT_SECONDS = 1.0


@dataclass(frozen=True)
class Lost:
    """A task that was given up after its last attempt. label: what ended that."""

    index: int
    label: Literal["killed", "hung", "error"]
    told: str
    attempts: int


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def execute(
    task: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    on_message: Callable[[Message], None] = lambda message: None,
    on_result: Callable[[Any], None] = lambda result: None,
    on_lost: Callable[[Lost], None] | None = None,
    retries: int = 2,
    hang_seconds: float = math.inf,
) -> None:
    """Call `task(*a)` for every `a`, first come first started; `send` inside a task reports.

    A worker is hung when its task has sent nothing for `hang_seconds`, and has not computed either
    (`BUSY` times as long where it computes): it is killed. A task whose worker hung or was killed
    is tried again `retries` times, and so is one that raises where there is `on_lost`, which then
    gets it; the other tasks go on. Without `on_lost` a lost task is an InputError, what a task
    raises is raised, and an InputError always is. A Ctrl-C ends the workers at once.
    """
    left, attempts, mine = deque(range(len(arguments))), Counter[int](), cores()
    crew = [_Worker(mine[i % len(mine)], hang_seconds) for i in range(workers)]
    try:
        while left or any(member.index is not None for member in crew):
            for member in crew:
                if member.index is None and left:
                    attempts[left[0]] += 1
                    member.give(left[0], task, arguments[left.popleft()])
            looked = time.monotonic()
            wait([m.pipe for m in crew if m.index is not None], LOOK_SECONDS)
            # The driver itself was stopped (a laptop slept), and its workers with it.
            absent = time.monotonic() - looked - LOOK_SECONDS
            for member in crew:
                index = member.index
                if absent > ABSENT_SECONDS:
                    member.excuse(absent)
                if index is None or (end := member.look(on_message)) is None:
                    continue
                if end.kind == "done":
                    on_result(end.value)
                    continue
                if end.kind == "error" and (on_lost is None or isinstance(end.value, InputError)):
                    raise end.value
                if attempts[index] <= retries:
                    left.append(index)
                    continue
                lost = Lost(index, end.kind, str(end.value), attempts[index])
                if on_lost is None:
                    raise _refusal(lost)
                on_lost(lost)
        for member in crew:
            member.dismiss()
    except BaseException:
        for member in crew:
            member.kill()
        raise


@dataclass(frozen=True)
class _End:
    """How an attempt ended: its result, what it raised, or what became of its process."""

    kind: Literal["done", "error", "killed", "hung"]
    value: Any


class _Worker:
    """A process on one core, and what the driver knows of it."""

    def __init__(self, core: int, hang_seconds: float) -> None:
        self.core, self.hang_seconds = core, hang_seconds
        self.index: int | None = None  # of its task
        self.heard = self.moved = time.monotonic()  # when it last told something, and last computed
        self._start()

    def give(self, index: int, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.index = index
        self.heard = self.moved = time.monotonic()
        try:
            self.pipe.send((task, arguments))
        except OSError:  # it died while it had nothing to do
            self.kill()
            self._start()
            self.pipe.send((task, arguments))

    def look(self, on_message: Callable[[Message], None]) -> _End | None:
        """Read what it told; how its task ended, once it has. A dead process is replaced."""
        try:
            while self.pipe.poll():
                kind, value = self.pipe.recv()
                now = time.monotonic()
                if kind == "beat":  # the share of the time since the last in which it computed
                    self.moved = now if value > worker.COMPUTES else self.moved
                elif kind == "told":
                    self.heard = self.moved = now
                    on_message(value)
                else:
                    self.index = None
                    return _End(kind, value)
        except (EOFError, OSError):
            self.process.join()
            return self._replaced("killed", _how(self.process.exitcode))
        now = time.monotonic()
        silent, still = now - self.heard, now - self.moved
        patience = max(self.hang_seconds, 2 * worker.BEAT_SECONDS)
        if still > patience or silent > BUSY * self.hang_seconds:
            return self._replaced("hung", f"no sign of progress for {silent:.0f} s")
        return None

    def excuse(self, seconds: float) -> None:
        """Time that doesn't count against it."""
        self.heard += seconds
        self.moved += seconds

    def dismiss(self) -> None:
        """End a worker that has nothing to do, with all that it cleans up."""
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def _replaced(self, kind: Literal["killed", "hung"], told: str) -> _End:
        self.kill()
        self._start()
        self.index = None
        return _End(kind, told)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=worker.serve, args=(theirs, self.core, os.getpid()))
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the pipe


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"its process was killed by signal {-exitcode}" + " (out of memory?)" * (
            exitcode == -9
        )
    return f"its process ended with exit code {exitcode}"


def _refusal(lost: Lost) -> InputError:
    hint = {"killed": " (out of memory?)", "hung": ""}[lost.label]
    verb = {"killed": "was killed", "hung": "hung"}[lost.label]
    return InputError(
        f"a worker process {verb} {lost.attempts} times{hint}; what finished is stored: run the "
        "same command again with fewer --workers"
    )
