"""The executors of this machine, and how an executor is chosen and set."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from batteries.executors import (
    ExecutorContract,
    WorkersContract,
    die,
    listening,
    result,
    square,
    wait_for,
    wait_to_be_asked,
)

from scaling.devices import cores
from scaling.errors import InputError
from scaling.sweep import executors, worker
from scaling.sweep.executors import local_room
from scaling.sweep.executors.contract import Call, Executor, LostError, Needs, Options
from scaling.sweep.executors.debug import Debug
from scaling.sweep.executors.local import Local
from scaling.sweep.executors.local_room import Room

STOPPED = """
import time
from scaling.sweep.executors.local import Local

def wait():
    from scaling.sweep import worker
    worker.send("begun")
    time.sleep(2)
    return "alive"

if __name__ == "__main__":
    say = lambda what: print(what, flush=True)
    with Local(1, 3.0) as executor:
        executor.on_message = say
        say(executor.submit(wait).result())
"""


class OwnError(Exception):
    """One that pickle can't bring back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} of {two}")


def raise_own() -> None:
    raise OwnError(1, 2)


def where() -> tuple[int, set[int]]:
    time.sleep(0.3)
    return os.getpid(), os.sched_getaffinity(0)


def variable(name: str) -> str | None:
    return os.environ.get(name)


def hang() -> None:
    time.sleep(3600)


def compute(seconds: float) -> str:
    """Say nothing, but work, as a compiler does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        math.factorial(2000)
    return "compiled"


class TestLocal(WorkersContract):
    @pytest.fixture
    def start(self) -> Callable[[], Executor]:
        return lambda: Local(2, math.inf)


class TestDebug(ExecutorContract):
    @pytest.fixture
    def start(self) -> Callable[[], Executor]:
        return Debug


def test_an_error_comes_with_its_place_even_if_pickle_cannot_bring_it() -> None:
    with (
        Local(1, math.inf) as executor,
        pytest.raises(RuntimeError, match=r"^OwnError: 1 of 2") as raised,
    ):
        result(executor.submit(raise_own))
    assert "test_executors.py" in raised.value.__notes__[0]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are pinned on Linux only")
def test_each_worker_has_cores_of_its_own_and_lives_on() -> None:
    workers = min(2, len(cores()))
    with Local(workers, math.inf) as executor:
        found = [result(f) for f in executor.submit_all([Call(where, ())] * 6)]
    pinned = dict(found)
    assert len(pinned) == workers  # as many processes as workers, whatever they do
    assert all(len(mine) == 1 for mine in pinned.values())
    assert set().union(*pinned.values()) <= set(cores())


def test_workers_of_gpus_share_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_room, "cores", lambda: list(range(16)))
    held = [len(each) for each in Room(None, None, ["0", "1"], per_gpu=1).free_cores]
    assert held == [8, 8]
    assert [len(each) for each in Room(None, 3, ["0"], per_gpu=2).free_cores] == [3, 3]
    assert [len(each) for each in Room(5, None, [], per_gpu=1).free_cores] == [1] * 5


def test_gpus_are_shared_out_and_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four GPUs that are only names: what matters is which ones each worker is shown."""
    with Local(None, math.inf, gpus=["0", "1", "2", "3"]) as executor:
        assert executor.slots == 4
        shown = executor.submit_all(
            [Call(variable, ("CUDA_VISIBLE_DEVICES",), Needs(n)) for n in (3, 1, 4, 2)]
        )
        seen = [result(future).split(",") for future in shown]
        assert [len(gpus) for gpus in seen] == [3, 1, 4, 2]
        assert all(len(set(gpus)) == len(gpus) for gpus in seen)
        with pytest.raises(InputError, match="takes 5 devices, and this machine has 4 GPUs"):
            executor.submit_all([Call(square, (1,), Needs(5))])


def test_a_hanging_call_is_ended_but_not_one_that_computes() -> None:
    with Local(2, 1.5) as executor:
        hung, computing = executor.submit_all([Call(hang, ()), Call(compute, (4.0,))])
        with pytest.raises(LostError, match=r"^hung: no sign of progress for"):
            result(hung)
        assert result(computing) == "compiled"
    with Local(1, 0.3) as executor, pytest.raises(LostError, match=r"^hung"):  # but not for ever
        result(executor.submit(compute, 60.0))


def test_a_driver_that_was_stopped_blames_no_worker(tmp_path: Path) -> None:
    """As when a laptop sleeps: all processes stop, and go on as if no time had gone by."""
    script = tmp_path / "driver.py"
    script.write_text(STOPPED)
    driver = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True,
        start_new_session=True, cwd=tmp_path,
    )  # fmt: skip
    assert driver.stdout is not None
    assert driver.stdout.readline() == "begun\n"
    os.killpg(driver.pid, signal.SIGSTOP)
    time.sleep(4)
    os.killpg(driver.pid, signal.SIGCONT)
    assert driver.communicate(timeout=60)[0] == "alive\n"


def test_a_worker_that_is_asked_to_stop_by_others_was_preempted(tmp_path: Path) -> None:
    with Local(1, math.inf) as executor:
        future = executor.submit(wait_to_be_asked, tmp_path)
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        (child,) = executor.pids()
        os.kill(child, signal.SIGTERM)
        with pytest.raises(LostError, match=r"^preempted: SIGTERM"):
            result(future)
        assert result(executor.submit(square, 3)) == 9


def test_a_worker_that_dies_with_nothing_to_do_is_replaced(tmp_path: Path) -> None:
    with Local(1, math.inf) as executor:
        assert result(executor.submit(square, 3)) == 9
        os.kill(executor.pids()[0], signal.SIGKILL)
        time.sleep(0.3)
        (tmp_path / "0").touch()
        assert result(executor.submit(die, tmp_path, 1)) == "alive"


@pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="sockets are read from Linux's /proc"
)
def test_nobody_listens_on_a_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:  # the test sees what listens
        found = listening([os.getpid()])
        assert f"{ours.getsockname()[1]:04X}" in {address.rpartition(":")[2] for address in found}
    before = listening([os.getpid()])
    with Local(2, math.inf) as executor:
        futures = executor.submit_all(
            [Call(wait_for, (tmp_path / a, tmp_path / b)) for a, b in ("ab", "ba")]
        )
        assert all(map(result, futures))
        assert listening(executor.pids()) == []
        assert listening([os.getpid()]) == before


def test_another_package_adds_an_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Theirs:
        NAME = "theirs"
        Settings = Options
        start = staticmethod(lambda settings, *, workers, hang_seconds: Debug())

    class Entry:
        load = staticmethod(lambda: Theirs)

    monkeypatch.setattr(
        "scaling.data.registry.entry_points",
        lambda group: [Entry] if group == "scaling.executors" else [],
    )
    executors._registry.cache_clear()
    try:
        assert "theirs" in executors.names()
        with executors.start("theirs", {}, workers=None, hang_seconds=1.0) as executor:
            assert result(executor.submit(square, 4)) == 16
    finally:
        monkeypatch.undo()
        executors._registry.cache_clear()


def test_several_hosts_are_not_for_one_machine() -> None:
    calls = [Call(square, (1,), Needs(processes=2))]
    for start in (lambda: Local(1, math.inf), Debug):
        with start() as executor, pytest.raises(InputError, match="a cell takes 2 hosts"):
            executor.submit_all(calls)


def test_a_message_outside_a_worker_goes_nowhere() -> None:
    worker.send("nothing listens")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("locl", {}, r"no executor called 'locl'; valid: .*local.*; did you mean 'local'\?"),
        ("local", {"core": 2}, r"local: core: unknown option; did you mean 'cores'\? valid: name,"),
        ("local", {"cores": 0}, r"local: cores: .*greater than 0 \(given 0\)"),
        ("local", {"gpus": 64}, r"local: gpus = 64, but this machine has"),
        ("debug", {"cores": 1}, r"debug: cores: unknown option; valid: name$"),
    ],
)
def test_a_wrong_choice_is_one_error_that_lists_what_is_valid(
    name: str, options: dict[str, int], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        executors.start(name, options, workers=None, hang_seconds=1.0)


def test_the_debug_executor_has_one_worker() -> None:
    with pytest.raises(InputError, match="3 workers; it has one"):
        executors.start("debug", {}, workers=3, hang_seconds=1.0)
