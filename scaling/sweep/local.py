"""The local executor: one pinned single-threaded process a core, longest work first.

On a CPU this is worth more than any threading inside a step (benchmarks/train.py).
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from scaling.errors import InputError

# A worker that the system kills (out of memory, say) takes the pool with it: start anew this often.
RESTARTS = 2

Message = Any  # whatever a task sends to the driver while it runs; picklable
_messages: Any = None


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
) -> None:
    """Call `task(*a)` for every `a`, first come first started; `send` inside a task reports.

    A Ctrl-C ends the workers at once: what they finished is stored, the rest is trained again.
    """
    left = list(range(len(arguments)))
    for attempt in range(RESTARTS + 1):
        try:
            with _pool(workers) as (pool, messages):
                futures = {pool.submit(task, *arguments[i]): i for i in left}
                for future in _as_completed(futures, messages, on_message):
                    on_result(future.result())
                    left.remove(futures[future])
            return
        except BrokenProcessPool:
            if attempt == RESTARTS:
                raise InputError(
                    f"a worker process was killed {RESTARTS + 1} times (out of memory?); what "
                    "finished is stored: run the same command again with fewer --workers"
                ) from None


def send(message: Message) -> None:
    """Report to the driver from inside a task."""
    if _messages is not None:
        _messages.put(message)


def _as_completed(
    futures: dict[Future[Any], int], messages: Any, on_message: Callable[[Message], None]
) -> Iterator[Future[Any]]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.2, return_when="FIRST_COMPLETED")
        # A task's messages are all sent before it ends: none is left behind.
        while not messages.empty():
            on_message(messages.get())
        yield from done


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    messages, free = context.SimpleQueue(), context.SimpleQueue()
    mine = cores()
    for i in range(workers):
        free.put(mine[i % len(mine)])
    pool = ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(free, messages, os.getpid())
    )
    try:
        yield pool, messages
        pool.shutdown()
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _start_worker(free: Any, messages: Any, driver: int) -> None:
    """Pin this process to a core before anything starts threads; die with the driver."""
    global _messages
    _messages = messages
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {free.get()})
    threading.Thread(target=_die_with, args=(driver,), daemon=True).start()


def _die_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)
