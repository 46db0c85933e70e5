"""The Ray executor on a Ray of its own: answers, errors, workers that are lost, and what listens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from scaling.errors import InputError
from scaling.sweep import executors, worker
from scaling.sweep.executors.contract import Call, Executor, LostError, Needs
from scaling.train import stopping

pytest.importorskip("ray", reason="Ray is not here: pip install 'scaling-laws[ray]'")

SECONDS = 60


@pytest.fixture(scope="module")
def crew() -> Iterator[Executor]:
    """Two workers of one core each, on a Ray that starts and ends with this module."""
    with executors.start("ray", {}, workers=2, hang_seconds=20) as started:
        yield started


def square(n: int) -> int:
    worker.send(("begun", n))
    return n * n


def who() -> int:
    time.sleep(0.2)
    return os.getpid()


def refuse(n: int) -> None:
    raise InputError(f"number {n} is not valid")


class OwnError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} of {two}")


def raise_own() -> None:
    raise OwnError(1, 2)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def linger(folder: Path) -> str:
    (folder / str(os.getpid())).touch()
    while stopping.asked() is None:
        time.sleep(0.05)
    raise stopping.Stopped("as asked", saved=True)


def test_calls_give_their_results_and_messages_from_workers_that_live_on(crew: Executor) -> None:
    messages: list[tuple[str, int]] = []
    crew.on_message = messages.append
    futures = crew.submit_all([Call(square, (n,)) for n in range(20)])
    assert [f.result(SECONDS) for f in futures] == [n * n for n in range(20)]
    assert sorted(messages) == [("begun", n) for n in range(20)]
    pids = {crew.submit(who).result(SECONDS) for _ in range(3)} | {
        f.result(SECONDS) for f in crew.submit_all([Call(who, ()) for _ in range(4)])
    }
    assert len(pids) == crew.slots == 2


def test_what_a_call_raises_is_what_its_future_raises(crew: Executor) -> None:
    with pytest.raises(InputError, match=r"^number 3 is not valid$") as refused:
        crew.submit(refuse, 3).result(SECONDS)
    assert type(refused.value) is InputError
    with pytest.raises(RuntimeError, match=r"^OwnError: 1 of 2") as raised:
        crew.submit(raise_own).result(SECONDS)
    assert "raise_own" in raised.value.__notes__[0]


def test_a_killed_worker_is_a_lost_call_and_harms_no_other(crew: Executor) -> None:
    lost, kept = crew.submit_all([Call(die, ()), Call(who, ())])
    with pytest.raises(LostError, match="pid") as raised:
        lost.result(SECONDS)
    assert raised.value.label == "killed"
    print(raised.value)
    assert kept.result(SECONDS)


def test_ended(crew, tmp_path) -> None:
    future = crew.submit(linger, tmp_path)
    while not list(tmp_path.iterdir()):
        time.sleep(0.1)
    crew.end(future, "hung", "by test")
    with pytest.raises(LostError, match="hung: by test"):
        future.result(SECONDS)


def test_infeasible(crew) -> None:
    with pytest.raises(InputError) as e:
        crew.submit_all([Call(who, (), Needs(processes=3))])
    print(e.value)


def env(where) -> dict:
    time.sleep(0.5)
    return {
        k: v
        for k, v in os.environ.items()
        if k.startswith("SCALING_") or k in ("NPROC", "JAX_PLATFORMS")
    } | {"pid": os.getpid()}


def test_processes(crew) -> None:
    futures = crew.submit_all([Call(env, (0,), Needs(processes=2)), Call(env, (1,))])
    t = time.time()
    for f in futures:
        print(f.result(SECONDS), time.time() - t)
    print(crew.submit(env, 3).result(SECONDS))


def test_stop(tmp_path):
    import subprocess

    t = time.time()
    crew = executors.start("ray", {}, workers=2, hang_seconds=20)
    print("start", time.time() - t)
    futures = crew.submit_all([Call(linger, (tmp_path,)) for n in range(3)])
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.1)
    t = time.time()
    crew.shutdown(cancel_futures=True)
    print("stop", time.time() - t)
    for f in futures:
        print(f)
