"""Asking a process to stop training: a flag that is set anywhere and looked at between two chunks.

    with stopping.catch():      # SIGTERM (a time limit, a preemption) and Ctrl-C
        train_trunk(...)        # raises Stopped once what it trained lies in a checkpoint

There are two kinds of request. One is about the process, and stands until it ends. One is about
the work at hand, which has become another's: that is let go of without a word on the disk.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# Plain assignments, no locks: a signal handler may run between any two lines of its own process.
_process: str | None = None  # why the process is to stop, if it is
_work: str | None = None  # why the work at hand is to be let go of


class Stopped(Exception):  # noqa: N818 - it is no error: what was asked for was done
    """Training has stopped as asked. saved: whether a checkpoint tells how far it came."""

    def __init__(self, why: str, saved: bool) -> None:
        super().__init__(why, saved)
        self.why, self.saved = why, saved

    def __str__(self) -> str:
        return self.why


def ask(why: str, *, save: bool = True) -> None:
    """Stop at the end of the chunk; the first reason is the one that is told.

    save: keep a checkpoint. Not where the work has another holder, who writes his own.
    """
    global _process, _work
    if save:
        _process = _process or why
    else:
        _work = _work or why


def asked() -> str | None:
    """Why to stop, if that was asked for."""
    return _work or _process


def saves() -> bool:
    """Whether who stops now is to keep a checkpoint."""
    return _work is None


def clear(*, process: bool = True) -> None:
    """Forget what was asked. process: of the process, too; not only of the work at hand."""
    global _process, _work
    _work = None
    if process:
        _process = None


@contextmanager
def catch(*signals: signal.Signals) -> Iterator[None]:
    """Inside, these signals (by default SIGTERM and Ctrl-C) ask to stop.

    A second Ctrl-C does not wait: it interrupts as ever.
    """
    interrupt = signal.getsignal(signal.SIGINT)

    def answer(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(number, interrupt)
        ask(_why(number))

    with _answered(signals or (signal.SIGTERM, signal.SIGINT), answer):
        yield


@contextmanager
def ended_by(*signals: signal.Signals) -> Iterator[None]:
    """Inside, these signals raise Stopped at once: for the time around `catch`, when nothing trains
    and all that is finished is stored."""

    def answer(number: int, frame: FrameType | None) -> None:
        raise Stopped(_why(number), saved=True)

    with _answered(signals, answer):
        yield


def _why(number: int) -> str:
    return f"signal {signal.Signals(number).name}"


@contextmanager
def _answered(
    signals: Sequence[signal.Signals], answer: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Inside, signals are answered so. Only a main thread can catch signals; elsewhere this does
    nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
