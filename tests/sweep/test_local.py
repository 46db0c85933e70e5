"""The local executor: results, messages, errors and lost workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from scaling.errors import InputError
from scaling.sweep import local


def square(n: int) -> int:
    local.send(("begun", n))
    return n * n


def refuse(n: int) -> None:
    raise InputError(f"number {n} is not valid")


def where(_: int) -> set[int]:
    time.sleep(0.3)
    return os.sched_getaffinity(0)


def die(folder: Path, times: int) -> str:
    """Be killed as the system kills, so many times."""
    deaths = len(list(folder.iterdir()))
    if deaths < times:
        (folder / str(deaths)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def test_every_task_gives_its_result_and_its_messages() -> None:
    results: list[int] = []
    messages: list[tuple[str, int]] = []
    local.execute(
        square,
        [(n,) for n in range(5)],
        workers=2,
        on_result=results.append,
        on_message=messages.append,
    )
    assert sorted(results) == [0, 1, 4, 9, 16]
    assert sorted(messages) == [("begun", n) for n in range(5)]


def test_bad_input_inside_a_worker_is_the_drivers_error() -> None:
    with pytest.raises(InputError, match=r"^number 3 is not valid$"):
        local.execute(refuse, [(3,)], workers=1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are pinned on Linux only")
def test_each_worker_has_a_core_of_its_own() -> None:
    pinned: list[set[int]] = []
    workers = min(2, len(local.cores()))
    local.execute(where, [(n,) for n in range(4)], workers=workers, on_result=pinned.append)
    assert all(len(cores) == 1 for cores in pinned)
    assert set().union(*pinned) <= set(local.cores())


def test_a_killed_worker_is_replaced_but_not_for_ever(tmp_path: Path) -> None:
    results: list[str] = []
    (tmp_path / "once").mkdir()
    local.execute(die, [(tmp_path / "once", 1)], workers=1, on_result=results.append)
    assert results == ["alive"]
    (tmp_path / "always").mkdir()
    with pytest.raises(InputError, match=r"killed 3 times .*what finished is stored"):
        local.execute(die, [(tmp_path / "always", 9)], workers=1)


def test_a_message_outside_a_worker_goes_nowhere() -> None:
    local.send("nothing listens")
