"""The local executor: results, messages, errors, and workers that die or hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scaling.errors import InputError
from scaling.sweep import local
from scaling.sweep.local import Lost

STOPPED = """
import time
from scaling.sweep import local

def wait():
    local.send("begun")
    time.sleep(2)
    return "alive"

if __name__ == "__main__":
    say = lambda what: print(what, flush=True)
    local.execute(
        wait, [()], workers=1, on_message=say, on_result=say, retries=0, hang_seconds=3
    )
"""


def square(n: int) -> int:
    local.send(("begun", n))
    return n * n


def refuse(n: int) -> None:
    raise InputError(f"number {n} is not valid")


def fail(n: int) -> int:
    if n == 1:
        raise ZeroDivisionError("by design")
    return n


def where(_: int) -> set[int]:
    time.sleep(0.3)
    return os.sched_getaffinity(0)


def die(folder: Path, times: int) -> str:
    """Be killed as the system kills, so many times."""
    deaths = len(list(folder.iterdir()))
    if deaths < times:
        (folder / str(deaths)).touch()
        local.send("alive still")
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def hang(folder: Path, times: int) -> str:
    """Wait for what never comes, so many times."""
    hangs = len(list(folder.iterdir()))
    if hangs < times:
        (folder / str(hangs)).touch()
        time.sleep(600)
    return "alive"


def compute(seconds: float) -> str:
    """Compute without a word, as a compiler does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "compiled"


class OwnError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} of {two}")


def raise_own() -> None:
    raise OwnError(1, 2)


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
    with pytest.raises(InputError, match=r"^number 3 is not valid$"):
        local.execute(refuse, [(3,)], workers=1, on_lost=lambda lost: None)


def test_any_other_error_is_raised_with_its_place_or_lost_once_it_repeats() -> None:
    with pytest.raises(ZeroDivisionError, match="by design") as raised:
        local.execute(fail, [(1,)], workers=1)
    assert "test_local.py" in raised.value.__notes__[0]
    results: list[int] = []
    lost: list[Lost] = []
    local.execute(
        fail,
        [(n,) for n in range(4)],
        workers=2,
        on_result=results.append,
        on_lost=lost.append,
        retries=1,
    )
    assert sorted(results) == [0, 2, 3]
    assert lost == [Lost(1, "error", "by design", 2)]


def test_an_error_that_cannot_be_pickled_still_arrives() -> None:
    with pytest.raises(RuntimeError, match=r"^OwnError: 1 of 2"):
        local.execute(raise_own, [()], workers=1)


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


def test_one_that_always_dies_harms_no_other(tmp_path: Path) -> None:
    results: list[str] = []
    messages: list[str] = []
    lost: list[Lost] = []
    tasks = [(tmp_path / str(n), 9 if n == 1 else 0) for n in range(5)]
    for folder, _ in tasks:
        folder.mkdir()
    local.execute(
        die,
        tasks,
        workers=2,
        on_result=results.append,
        on_message=messages.append,
        on_lost=lost.append,
    )
    assert results == ["alive"] * 4
    assert messages == ["alive still"] * 3  # what it said before it died is heard
    assert lost == [Lost(1, "killed", "its process was killed by signal 9 (out of memory?)", 3)]
    assert len(list((tmp_path / "1").iterdir())) == 3


def test_a_hanging_task_is_ended_and_tried_again(tmp_path: Path) -> None:
    results: list[str] = []
    lost: list[Lost] = []
    (tmp_path / "once").mkdir()
    (tmp_path / "always").mkdir()
    local.execute(
        hang,
        [(tmp_path / "once", 1), (tmp_path / "always", 9)],
        workers=2,
        on_result=results.append,
        on_lost=lost.append,
        retries=1,
        hang_seconds=1.5,
    )
    assert results == ["alive"]
    assert [(gone.index, gone.label, gone.attempts) for gone in lost] == [(1, "hung", 2)]
    assert "no sign of progress for" in lost[0].told


def test_who_computes_in_silence_does_not_hang() -> None:
    results: list[str] = []
    local.execute(compute, [(4.0,)], workers=1, on_result=results.append, hang_seconds=1.5)
    assert results == ["compiled"]
    with pytest.raises(InputError, match="a worker process hung 1 times"):  # but not for ever
        local.execute(compute, [(60.0,)], workers=1, hang_seconds=0.3, retries=0)


def test_a_driver_that_was_stopped_blames_no_worker(tmp_path: Path) -> None:
    """As when a laptop sleeps: all processes stop, and go on as if no time had gone by."""
    script = tmp_path / "driver.py"
    script.write_text(STOPPED)
    command = [sys.executable, str(script)]
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "begun\n"
    os.killpg(driver.pid, signal.SIGSTOP)
    time.sleep(4)
    os.killpg(driver.pid, signal.SIGCONT)
    assert driver.communicate(timeout=60)[0] == "alive\n"


def test_a_message_outside_a_worker_goes_nowhere() -> None:
    local.send("nothing listens")
