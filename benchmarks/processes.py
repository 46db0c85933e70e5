"""Processes that are built once, wait on a pipe, and work only in the windows they are told."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scaling.devices import cores

# Between windows: threads that spin after their last task (OpenMP's do) come to rest.
SETTLE_SECONDS = 0.3


class Team:
    """One configuration: a process on all cores, or one pinned process for each of them."""

    def __init__(self, workload: str, setting: Any, pins: Iterable[set[int]]) -> None:
        self.members = [_start(workload, setting, pin) for pin in pins]

    def ready(self) -> None:
        """Wait until every process has built its workload."""
        self._answers()

    def window(self, seconds: float) -> float:
        """Work per second of the whole team, all members at once."""
        time.sleep(SETTLE_SECONDS)
        for _, pipe in self.members:
            pipe.send(seconds)
        return sum(work / took for work, took in self._answers())

    def close(self) -> None:
        for process, pipe in self.members:
            pipe.close()
            process.join()

    def _answers(self) -> list[Any]:
        answers = []
        for process, pipe in self.members:
            try:
                answers.append(pipe.recv())
            except EOFError:
                process.join()
                raise SystemExit(
                    f"a benchmark process ended (exit code {process.exitcode}); its error is above"
                ) from None
        return answers


def whole() -> list[set[int]]:
    """One process on all cores."""
    return [set(cores())]


def pinned() -> list[set[int]]:
    """One process a core."""
    return [{core} for core in cores()]


@contextmanager
def teams(plans: dict[str, tuple[str, Any, list[set[int]]]]) -> Iterator[dict[str, Team]]:
    """The teams of `name: (workload, setting, pins)`, built and waiting; closed at the end."""
    started: dict[str, Team] = {}
    try:
        for name, plan in plans.items():
            started[name] = Team(*plan)
        for team in started.values():
            team.ready()
        yield started
    finally:
        for team in started.values():
            team.close()


def alternate(started: dict[str, Team], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Each team's work per second in each round; every other round in reverse order."""
    rates: dict[str, list[float]] = {name: [] for name in started}
    for turn in range(rounds):
        for name in list(started)[:: -1 if turn % 2 else 1]:
            rates[name].append(started[name].window(seconds))
    return rates


def _start(workload: str, setting: Any, pin: set[int]) -> tuple[Any, Any]:
    """Start a process on the cores of `pin`, so that every library in it finds only those."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, workload, setting), daemon=True)
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, pin)
    try:
        process.start()
    finally:
        os.sched_setaffinity(0, mine)
    theirs.close()
    return process, ours


def _serve(pipe: Any, workload: str, setting: Any) -> None:
    import workloads

    window = getattr(workloads, workload)(setting)
    pipe.send("ready")
    while True:
        try:
            seconds = pipe.recv()
        except EOFError:  # closed, or the parent is gone
            return
        pipe.send(window(seconds))
