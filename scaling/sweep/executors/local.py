"""The local executor: one pinned single-threaded process a core, or one a GPU, on this machine.

On a CPU this is worth more than any threading inside a step (benchmarks/train.py). Each worker has
a pipe of its own to the driver, so that one that is killed or hangs harms no other, and lives on
between calls: it compiles a program once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from typing import Any

from pydantic import Field

from scaling.devices import local_gpus
from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.executors.contract import Call, End, Executor, LostError, Needs, Options
from scaling.sweep.executors.local_room import Place, Room

NAME = "local"
LOOK_SECONDS = 0.2
ABSENT_SECONDS = 1.0
STOP_SECONDS = 8.0  # for a call that was asked to stop: the driver is gone within ten


class Settings(Options):
    """cores: of each worker (one; beside GPUs an even share of all); gpus: of this machine, to be
    used (all, where JAX finds any); per_gpu: workers that share one."""

    cores: int | None = Field(None, gt=0)
    gpus: int | None = Field(None, ge=0)
    per_gpu: int = Field(1, gt=0)


def start(settings: Settings, *, workers: int | None, hang_seconds: float) -> Local:
    """The executor of this machine."""
    there = local_gpus()
    if settings.gpus is not None and settings.gpus > len(there):
        found = f"{len(there)} that JAX can use" if there else "none that JAX can use"
        raise InputError(
            f"executor local: gpus = {settings.gpus}, but this machine has {found}: a driver and "
            "pip install 'jax[cuda13]' bring them; leave gpus out to train on the CPU"
        )
    gpus = there[: settings.gpus]
    return Local(workers, hang_seconds, cores=settings.cores, gpus=gpus, per_gpu=settings.per_gpu)


class Local(Executor):
    """Workers start when there is something to do, and end when they are let go.

    A worker is hung when its call has sent nothing for `hang_seconds`, and has not computed either
    (`worker.BUSY` times as long where it computes): it is killed.
    """

    def __init__(
        self,
        workers: int | None,
        hang_seconds: float,
        *,
        cores: int | None = None,
        gpus: Sequence[str] = (),
        per_gpu: int = 1,
    ) -> None:
        self.hang_seconds = hang_seconds
        self._room = Room(workers, cores, gpus, per_gpu)
        self.slots = self._room.slots
        self._queue: deque[tuple[Future[Any], Call]] = deque()
        self._crew: list[_Worker] = []
        self._ending: dict[Future[Any], LostError] = {}
        self._lock = threading.Lock()  # of the queue and of what is to end
        self._closing = threading.Event()
        self._pump = threading.Thread(target=self._run, name="local-executor", daemon=True)

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        for call in calls:
            self._room.check(call.needs)
        futures: list[Future[Any]] = [Future() for _ in calls]
        with self._lock:
            if self._closing.is_set():
                raise RuntimeError("the executor was shut down")
            self._queue.extend(zip(futures, calls, strict=True))
            if not self._pump.is_alive():
                self._pump.start()
        return futures

    def end(self, future: Future[Any], label: End = "killed", told: str = "ended by hand") -> None:
        with self._lock:
            self._ending[future] = LostError(label, told)

    def pids(self) -> list[int]:
        """The processes of its workers."""
        return [member.process.pid for member in self._crew if member.process.pid is not None]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            if cancel_futures:
                for future, _ in self._queue:
                    future.cancel()
                self._queue.clear()
                for member in self._crew:
                    member.ask_to_stop()
            self._closing.set()
        if wait and self._pump.is_alive():
            self._pump.join()

    def _run(self) -> None:
        """Hands out calls and hears of them, until it is shut down and nothing is left."""
        until = float("inf")
        while True:
            busy = [member for member in self._crew if member.future is not None]
            if self._closing.is_set():
                until = min(until, time.monotonic() + STOP_SECONDS)
                if not busy and not self._queue:
                    break
                if time.monotonic() > until and any(member.asked for member in busy):
                    break
            self._give()
            looked = time.monotonic()
            pipes: list[Connection] = [m.pipe for m in self._crew if m.future is not None]
            if pipes:
                wait(pipes, LOOK_SECONDS)
            else:
                time.sleep(LOOK_SECONDS / 10)
            # The driver itself was stopped (a laptop slept), and its workers with it.
            absent = time.monotonic() - looked - LOOK_SECONDS
            for member in self._crew:
                if absent > ABSENT_SECONDS:
                    member.excuse(absent)
                self._hear(member)
        for member in self._crew:
            member.dismiss()

    def _give(self) -> None:
        """Queued calls to workers that are free, in the order of the queue, as far as each finds
        room."""
        while True:
            with self._lock:
                if not self._queue:
                    return
                future, call = self._queue[0]
                if future.cancelled():
                    self._queue.popleft()
                    continue
                member = self._find(call.needs)
                if member is None:
                    return
                self._queue.popleft()
            if future.set_running_or_notify_cancel():
                member.give(future, call)

    def _find(self, needs: Needs) -> _Worker | None:
        """A worker with what the call needs: one that is free, else a new one if there is room."""
        free = [member for member in self._crew if member.future is None]
        wanted = self._room.devices(needs)
        for member in free:
            if len(member.place.gpus) == wanted:
                return member
        for leaver in (None, *free):  # who has nothing to do makes room
            if leaver is not None:
                self._crew.remove(leaver)
                leaver.dismiss()
                self._room.give_back(leaver.place)
            if (place := self._room.take(wanted)) is not None:
                self._crew.append(_Worker(place, self.hang_seconds))
                return self._crew[-1]
        return None

    def _hear(self, member: _Worker) -> None:
        future = member.future
        if future is None:
            return
        with self._lock:
            ending = self._ending.pop(future, None)
        if ending is not None:
            member.replace()
            future.set_exception(ending)
        elif (end := member.look(self.on_message)) is not None:
            kind, value = end
            if kind == "done":
                future.set_result(value)
            elif kind == "error":
                future.set_exception(value)
            else:
                future.set_exception(LostError(kind, value))


class _Worker:
    """A process in its place, and what the driver knows of it."""

    def __init__(self, place: Place, hang_seconds: float) -> None:
        self.place, self.hang_seconds = place, hang_seconds
        self.future: Future[Any] | None = None  # of the call that it makes
        self.asked = False  # to stop
        self.heard = self.moved = time.monotonic()  # when it last told something, and last computed
        self._start()

    def give(self, future: Future[Any], call: Call) -> None:
        self.heard = self.moved = time.monotonic()
        try:
            self.pipe.send((call.fn, call.args))
        except OSError:  # it died while it had nothing to do
            self.replace()
            self.pipe.send((call.fn, call.args))
        self.future = future

    def look(self, on_message: Any) -> tuple[Any, Any] | None:
        """Read what it told; how its call ended, once it has. A dead process is replaced."""
        try:
            while self.pipe.poll():
                kind, value = self.pipe.recv()
                now = time.monotonic()
                if kind == "beat":  # the share of the time since the last in which it computed
                    self.moved = now if value > worker.COMPUTES else self.moved
                elif kind == "told":
                    self.heard = self.moved = now
                    if on_message is not None:
                        on_message(value)
                elif kind == "preempted":  # it was asked to stop, and ends
                    self.replace()
                    return kind, value
                else:
                    self.future = None
                    return kind, value
        except (EOFError, OSError):
            self.process.join()
            told = _how(self.process.exitcode)
            self.replace()
            return "killed", told
        now = time.monotonic()
        silent, still = now - self.heard, now - self.moved
        patience = max(self.hang_seconds, 2 * worker.BEAT_SECONDS)
        if still > patience or silent > worker.BUSY * self.hang_seconds:
            self.replace()
            return "hung", f"no sign of progress for {silent:.0f} s"
        return None

    def excuse(self, seconds: float) -> None:
        """Time that doesn't count against it."""
        self.heard += seconds
        self.moved += seconds

    def ask_to_stop(self) -> None:
        self.asked = True
        if self.process.is_alive():
            self.process.terminate()

    def dismiss(self) -> None:
        """End it: with all that it cleans up where it has nothing to do, else at once."""
        if self.future is not None:
            self.process.kill()
        self.pipe.close()
        self.process.join()

    def replace(self) -> None:
        """Another process in its place."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.future = None
        if not self.asked:
            self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=worker.serve,
            args=(theirs, self.place.cores, self.place.environment(), os.getpid()),
        )
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the pipe


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        # The system kills what takes too much memory; XLA aborts where it gets none.
        short = -exitcode in (signal.SIGKILL, signal.SIGABRT)
        return f"its process was killed by signal {-exitcode}" + " (out of memory?)" * short
    return f"its process ended with exit code {exitcode}"
