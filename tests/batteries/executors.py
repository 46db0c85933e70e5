"""What every executor must do: the contract of `scaling.sweep.executors`, as tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.executors.contract import Call, Executor, LostError
from scaling.train import stopping

# Of a call that starts a worker on a loaded machine.
PATIENCE_SECONDS = 120.0


def square(n: int) -> int:
    worker.send(("begun", n))
    return n * n


def refuse(n: int) -> None:
    raise InputError(f"number {n} is not valid")


def fail(n: int) -> int:
    if n == 1:
        raise ZeroDivisionError("by design")
    return n


def die(folder: Path, times: int) -> str:
    """Be killed as the system kills, so many times."""
    deaths = len(list(folder.iterdir()))
    if deaths < times:
        (folder / str(deaths)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def wait_for(own: Path, others: Path) -> bool:
    """Whether another call runs at the same time."""
    own.touch()
    return _appears(others)


def wait_to_be_asked(folder: Path) -> None:
    """Work on until this process is asked to stop."""
    (folder / "begun").touch()
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if (why := stopping.asked()) is not None:
            (folder / "stopped").write_text(why)
            raise stopping.Stopped(why, saved=True)
        time.sleep(0.05)


def _appears(path: Path) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def workers_of(driver: int) -> list[int]:
    """The worker processes of a driver on this machine (its resource tracker is a child, too)."""
    tasks = Path(f"/proc/{driver}/task")
    if not tasks.exists():
        pytest.skip("finding worker processes needs Linux's /proc")
    children = " ".join(path.read_text() for path in tasks.glob("*/children"))
    lines = {int(pid): Path(f"/proc/{pid}/cmdline") for pid in children.split()}
    return [pid for pid, line in lines.items() if b"spawn_main" in line.read_bytes()]


def listening(pids: Iterable[int]) -> list[str]:
    """Addresses where these processes wait for connections, hexadecimal, as Linux has them."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(handle.readlink()))
            except OSError:  # closed meanwhile
                continue
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    listens = "0A"
    return [row[1] for row in rows if row[3] == listens and f"socket:[{row[9]}]" in sockets]


def result(future: Future[Any]) -> Any:
    return future.result(timeout=PATIENCE_SECONDS)


class ExecutorContract:
    """Inherited by the tests of each executor, which give `start`: a new one with two workers."""

    @pytest.fixture
    def start(self) -> Callable[[], Executor]:
        raise AssertionError("an executor's tests say how it is started")

    @pytest.fixture
    def executor(self, start: Callable[[], Executor]) -> Iterator[Executor]:
        with start() as started:
            yield started

    def test_calls_give_their_results_each_in_its_future(self, executor: Executor) -> None:
        futures = executor.submit_all([Call(square, (n,)) for n in range(5)])
        assert [result(future) for future in futures] == [0, 1, 4, 9, 16]
        assert result(executor.submit(square, 6)) == 36
        with pytest.raises(TypeError, match="no keywords here: n"):
            executor.submit(square, n=6)

    def test_what_a_call_raises_its_future_raises(self, executor: Executor) -> None:
        calls = [Call(refuse, (3,)), Call(fail, (1,)), Call(fail, (2,))]
        bad_input, error, well = executor.submit_all(calls)
        with pytest.raises(InputError, match=r"^number 3 is not valid$"):
            result(bad_input)
        with pytest.raises(ZeroDivisionError, match="by design"):
            result(error)
        assert result(well) == 2

    def test_what_calls_send_arrives_if_it_speaks(self, start: Callable[[], Executor]) -> None:
        heard: list[Any] = []
        with start() as executor:
            executor.on_message = heard.append
            for future in executor.submit_all([Call(square, (n,)) for n in range(3)]):
                result(future)
        assert not executor.speaks or sorted(heard) == [("begun", n) for n in range(3)]


class WorkersContract(ExecutorContract):
    """Inherited by those whose calls run in processes of their own."""

    def test_two_calls_run_at_once(self, executor: Executor, tmp_path: Path) -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        futures = executor.submit_all([Call(wait_for, (a, b)), Call(wait_for, (b, a))])
        assert [result(future) for future in futures] == [True, True]

    def test_a_killed_worker_is_said_and_harms_no_other(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        calls = [Call(die, (tmp_path, 1)), *(Call(square, (n,)) for n in range(3))]
        killed, *others = executor.submit_all(calls)
        with pytest.raises(LostError, match=r"^killed: ") as raised:
            result(killed)
        assert raised.value.label == "killed"
        assert [result(future) for future in others] == [0, 1, 4]
        assert result(executor.submit(die, tmp_path, 1)) == "alive"

    def test_a_call_can_be_ended(self, executor: Executor, tmp_path: Path) -> None:
        future = executor.submit(wait_to_be_asked, tmp_path)
        assert _appears(tmp_path / "begun")
        executor.end(future, "hung", "it shows no life")
        with pytest.raises(LostError, match=r"^hung: it shows no life$"):
            result(future)
        assert result(executor.submit(square, 2)) == 4

    def test_letting_go_asks_calls_to_stop(
        self, start: Callable[[], Executor], tmp_path: Path
    ) -> None:
        executor = start()
        running = executor.submit(wait_to_be_asked, tmp_path)
        assert _appears(tmp_path / "begun")
        began = time.monotonic()
        executor.shutdown(cancel_futures=True)
        assert time.monotonic() - began < 15
        assert (tmp_path / "stopped").exists()
        wait([running], PATIENCE_SECONDS)
        assert isinstance(running.exception(), LostError)
