"""The other end of the local executor: a process that makes one call after another, and shows that
it lives. `send` and `here` serve every executor."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from scaling.errors import InputError
from scaling.train import stopping

Message = Any  # whatever a call sends to the driver while it runs; picklable

BEAT_SECONDS = 0.5
# A worker that tells nothing but computes may compile: it gets so many times as long.
BUSY = 10.0
COMPUTES = 0.02  # of one core between two beats: less is waiting, however busy the machine is
# For a worker whose driver died: it checkpoints, and leaves.
ORPHAN_SECONDS = 10.0


class Line(Protocol):
    """What a worker tells the driver through."""

    def send(self, told: Any, /) -> None: ...


_driver: Line | None = None
_speaking = threading.Lock()  # the task and the heartbeat share one pipe


def send(message: Message) -> None:
    """Report to the driver from inside a call; outside a worker it goes nowhere."""
    if _driver is not None:
        try:
            _tell("told", message)
        except OSError:
            stopping.ask("its driver is gone")


@contextmanager
def here(on_message: Callable[[Message], None]) -> Iterator[None]:
    """Tasks that are called in this very process report to `on_message`."""
    global _driver
    _driver = _Here(on_message)
    try:
        yield
    finally:
        _driver = None


@dataclass(frozen=True)
class _Here:
    on_message: Callable[[Message], None]

    def send(self, told: tuple[str, Message]) -> None:
        self.on_message(told[1])


@contextmanager
def expendable() -> Iterator[None]:
    """Inside there is nothing to keep: SIGTERM ends this process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def serve(
    pipe: Connection, cores: Sequence[int], environment: Mapping[str, str], driver: int
) -> None:
    """Make the calls that come through the pipe until it closes.

    Pinned to its cores before anything starts threads; deaf to Ctrl-C, which the driver answers;
    at SIGTERM, and when the driver is gone, the call is asked to stop, and the process ends.
    """
    global _driver
    _driver = pipe
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.ask("SIGTERM"))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))
    threading.Thread(target=_beat, args=(driver,), daemon=True).start()
    while stopping.asked() is None:
        try:
            fn, arguments = pipe.recv()
        except (EOFError, OSError):  # closed, or reset with a heartbeat unread
            return
        try:
            result = fn(*arguments)
        except stopping.Stopped as stopped:
            with suppress(OSError):
                _tell("preempted", str(stopped))
            return
        except Exception as error:
            ended = "error", portable(error)
        else:
            ended = "done", result
        with suppress(OSError):  # the driver is gone: there is no next call either
            _tell(*ended)


def _beat(driver: int) -> None:
    """Tell every so often what share of the time went by in computing."""
    then, used = time.monotonic(), time.process_time()
    while os.getppid() == driver:
        time.sleep(BEAT_SECONDS)
        now, uses = time.monotonic(), time.process_time()
        with suppress(OSError):  # the driver has closed the pipe, or is gone
            _tell("beat", (uses - used) / (now - then))
        then, used = now, uses
    stopping.ask("its driver is gone")
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def _tell(kind: str, value: Any) -> None:
    assert _driver is not None  # serve has set it
    with _speaking:
        _driver.send((kind, value))


def portable(error: Exception) -> Exception:
    """What was raised, with where, as something that a pipe can carry."""
    where = "".join(traceback.format_exception(error))
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with arguments of their own often don't come back
        error = RuntimeError(f"{type(error).__name__}: {error}")
    if not isinstance(error, InputError):  # which says all there is to say
        error.add_note(where)
    return error
