"""The Ray executor, on a Ray of its own that starts once for all tests here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from batteries.executors import PATIENCE_SECONDS, WorkersContract, die, result, square
from batteries.processes import descendants

from scaling.errors import InputError
from scaling.sweep import executors
from scaling.sweep.executors.contract import Call, Executor, LostError, Needs
from scaling.train.distributed import VARIABLES, place

ray = pytest.importorskip("ray", reason="Ray is not here: pip install 'scaling-laws[ray]'")

LISTENS = "0A"  # as /proc/net/tcp has it
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


class OwnError(Exception):
    """One that pickle can't bring back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} of {two}")


def raise_own() -> None:
    raise OwnError(1, 2)


def who() -> int:
    time.sleep(0.3)
    return os.getpid()


def hang() -> None:
    time.sleep(3600)


def told() -> dict[str, str]:
    return {name: os.environ[name] for name in (*VARIABLES, "NPROC") if name in os.environ}


def leave_as(process: int) -> None:
    """One process of several refuses, or ends; the others wait for it."""
    where = place()
    assert where is not None
    if where.process == 1 and process == 1:
        raise InputError("process 1 has other data")
    if where.process == 1 and process == 2:
        os._exit(1)
    time.sleep(3600)


@pytest.fixture(scope="module")
def ours() -> Iterator[None]:
    """A Ray of four cores, as it counts them, and not one actor."""
    with executors.start("ray", {}, workers=4, hang_seconds=60):
        yield


@pytest.fixture(scope="module")
def crew(ours: None) -> Iterator[Executor]:
    """Its actors live on from test to test: they take a second each to start."""
    with start_ray() as started:
        yield started


def start_ray(workers: int = 2, hang_seconds: float = 60, **options: Any) -> Executor:
    """On the Ray that this process has joined already."""
    return executors.start("ray", options, workers=workers, hang_seconds=hang_seconds)


@pytest.mark.usefixtures("ours")
class TestRay(WorkersContract):
    @pytest.fixture
    def start(self) -> Callable[[], Executor]:
        return start_ray

    @pytest.fixture
    def executor(self, crew: Executor) -> Executor:
        return crew

    def test_workers_live_on_between_calls_and_have_one_thread(self, executor: Executor) -> None:
        futures = executor.submit_all([Call(who, ()) for _ in range(6)])
        assert len({result(future) for future in futures}) <= executor.slots == 2
        assert result(executor.submit(told)) == {"NPROC": "1"}

    def test_an_error_that_does_not_travel_is_told(self, executor: Executor) -> None:
        with pytest.raises(RuntimeError, match=r"^OwnError: 1 of 2") as raised:
            result(executor.submit(raise_own))
        assert "raise_own" in raised.value.__notes__[0]

    def test_a_module_that_workers_lack_is_named(
        self, executor: Executor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = ModuleType("only_here")
        exec("def call(): pass", vars(module))
        monkeypatch.setitem(sys.modules, "only_here", module)
        told = r"^executor ray: pid \d+ on 127\.0\.0\.1 can't make the call: .*'only_here'"
        with pytest.raises(InputError, match=told):
            result(executor.submit(module.call))

    def test_a_call_that_does_nothing_hangs(self) -> None:
        told = pytest.raises(LostError, match=r"^hung: no sign of progress for ")
        with start_ray(1, hang_seconds=2) as executor, told:
            result(executor.submit(hang))

    def test_what_queued_calls_wait_for_can_be_called_off(self, executor: Executor) -> None:
        futures = executor.submit_all([Call(who, ()) for _ in range(3)])
        assert futures[2].cancel()
        assert not wait(futures, PATIENCE_SECONDS).not_done
        assert [future.cancelled() for future in futures] == [False, False, True]

    def test_short_calls_that_were_told_ahead_are_not_lost_with_a_worker(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        short = Needs(seconds=0.1)
        killed, *others = executor.submit_all(
            [Call(die, (tmp_path, 1), short), *(Call(square, (n,), short) for n in range(8))]
        )
        with pytest.raises(LostError, match=r"^killed: "):
            result(killed)
        assert [result(future) for future in others] == [n * n for n in range(8)]
        several = executor.submit_all([Call(who, (), short) for _ in range(8)])
        result(several[0])
        called_off = {future for future in several if future.cancel()}
        assert len(called_off) >= 3, "of all that had not begun"
        assert all(result(future) for future in several if future not in called_off)
        assert result(executor.submit(square, 3)) == 9

    def test_what_the_cluster_lacks_is_refused(self, executor: Executor) -> None:
        with pytest.raises(InputError, match=r"in each of 5 processes, .* has 4 CPU on 1 node; "):
            executor.submit_all([Call(square, (1,)), Call(square, (1,), Needs(processes=5))])
        with pytest.raises(InputError, match=r"asks for 1 CPU, 1 GPU and .* has 4 CPU, 0 GPU"):
            start_ray(gpus=1)

    def test_several_processes_know_of_each_other(self, executor: Executor) -> None:
        alone, together = [Call(told, ()), Call(told, (), Needs(processes=2))], []
        one, both, again = executor.submit_all([*alone, alone[1]])
        for future in (both, again):
            where = result(future)
            together.append(where.pop("SCALING_COORDINATOR"))
            assert where == {"SCALING_PROCESS": "0", "SCALING_PROCESSES": "2", "NPROC": "1"}
        assert result(one) == {"NPROC": "1"}
        assert all(where.startswith("127.0.0.1:") for where in together)

    def test_what_one_of_several_processes_says_ends_all(self, executor: Executor) -> None:
        refused, lost = executor.submit_all(
            [Call(leave_as, (how,), Needs(processes=2)) for how in (1, 2)]
        )
        with pytest.raises(InputError, match=r"^process 1 has other data$"):
            result(refused)
        with pytest.raises(LostError, match=r"^killed: pid \d+ on 127\.0\.0\.1: The actor is dead"):
            result(lost)

    def test_nobody_beyond_this_machine_can_reach_it(self, executor: Executor) -> None:
        pid = result(executor.submit(who))
        # Other tests may have a SLURM at work, which is not Ray's.
        rays = {each for each in descendants(os.getpid()) if not named(each, "slurm", "munge")}
        listening = sockets(rays | {os.getpid()})
        assert listening, "Ray's own"
        assert set(listening) <= LOOPBACK
        assert sockets({pid}), "those of a worker among them"


def named(pid: int, *beginnings: str) -> bool:
    """Whether the name of a process begins so."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith(beginnings)
    except FileNotFoundError:  # it has ended
        return False


def sockets(pids: set[int]) -> list[str]:
    """The addresses that these processes listen at, as /proc/net/tcp has them."""
    inodes = set()
    for pid in pids:
        for opened in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(FileNotFoundError):  # closed meanwhile
                inodes.add(str(opened.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return [f[1].split(":")[0] for f in lines if f[3] == LISTENS and f[9] in inodes]
