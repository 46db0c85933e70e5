"""What SLURM does to jobs, and what becomes of their calls: preemption, time limits, lost nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from batteries import calls
from batteries.slurm import Cluster

from scaling.sweep.executors import start
from scaling.sweep.executors.contract import Call, Executor, LostError

DRIVER = """
import sys, time
from pathlib import Path
from batteries import calls
from scaling.sweep.executors import start
from scaling.sweep.executors.contract import Call

with start("slurm", {"poll_seconds": 0.3}, workers=None, hang_seconds=60.0) as executor:
    call = Call(calls.count, (Path(sys.argv[1]),))
    print(executor.submit_all([call])[0].result(60), flush=True)
"""


def slurm(**options: object) -> Executor:
    return start("slurm", {"poll_seconds": 0.3, **options}, workers=None, hang_seconds=1.0)


def begun(folder: Path) -> Callable[[], bool]:
    return (folder / "began").exists


def counting(cluster: Cluster, executor: Executor, folder: Path) -> tuple[Future[list[int]], str]:
    """A call that runs, and its job."""
    folder.mkdir(exist_ok=True)
    future = executor.submit_all([Call(calls.count, (folder,))])[0]
    cluster.until(begun(folder), "begun")
    cluster.until(future.running, "seen to run")
    return future, cluster.jobs("%A")[-1]


def loses(future: Future[Any], label: str, told: str) -> None:
    with pytest.raises(LostError, match=told) as lost:
        future.result(60)
    assert lost.value.label == label


def test_a_preempted_job_saves_and_goes_on_from_there(cluster: Cluster, tmp_path: Path) -> None:
    with slurm() as executor:
        future, job = counting(cluster, executor, tmp_path)
        cluster.preempt(job)
        cluster.requeued(job)
        (tmp_path / "enough").touch()
        cluster.release(job)
        first, second = future.result(60)
    assert first == 0
    assert second == int((tmp_path / "done").read_text()) > 0
    assert cluster.job(job)["Restarts"] == "1"


def test_a_job_that_slurm_itself_requeues_is_not_queued_twice(
    cluster: Cluster, tmp_path: Path
) -> None:
    """As it does at a preemption without any grace time, and as an administrator may."""
    with slurm() as executor:
        future, job = counting(cluster, executor, tmp_path)
        cluster.run("scontrol", "requeue", job)
        cluster.requeued(job)
        (tmp_path / "enough").touch()
        cluster.release(job)
        assert future.result(60) == [0, int((tmp_path / "done").read_text())]
    assert cluster.job(job)["Restarts"] == "1"


def test_a_preempted_job_that_may_not_be_queued_again_is_given_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    with slurm(requeues=0) as executor:
        future, job = counting(cluster, executor, tmp_path)
        cluster.preempt(job)
        loses(future, "preempted", f"job {job}: signal SIGUSR2")
    assert int((tmp_path / "done").read_text()) > 0


def test_a_job_that_is_cancelled_by_hand_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    with slurm() as executor:
        future, job = counting(cluster, executor, tmp_path)
        cluster.run("scancel", job)
        loses(future, "killed", f"job {job} on n. was cancelled")
        assert cluster.job(job)["Restarts"] == "0"
    assert int((tmp_path / "done").read_text()) > 0  # it was asked first


def test_a_call_that_is_ended_is_lost_as_told(cluster: Cluster, tmp_path: Path) -> None:
    with slurm() as executor:
        future, job = counting(cluster, executor, tmp_path)
        cluster.preempt(job)
        cluster.requeued(job)
        executor.end(future, "hung", "what waits does not hang")
        cluster.release(job)
        while not future.done():
            executor.end(future, "hung", "no sign of life")
            time.sleep(0.1)
        loses(future, "hung", "no sign of life")
        cluster.until(lambda: not cluster.jobs(), "ended")


def test_a_lost_node(cluster: Cluster, tmp_path: Path) -> None:
    """Its job goes on elsewhere, if SLURM may queue it again; else its call is lost."""

    def lose(job: str) -> None:
        node = cluster.job(job)["NodeList"]
        cluster.lose_node(node)
        cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    with slurm(requeues=0) as executor:
        future, job = counting(cluster, executor, tmp_path / "1")
        lose(job)
        loses(future, "killed", f"job {job} on n. lost its node")
    with slurm() as executor:
        future, job = counting(cluster, executor, tmp_path / "2")
        cluster.mend()
        lose(job)
        (tmp_path / "2" / "enough").touch()
        cluster.release(job)
        assert future.result(60) == [0, 0]  # without a word, as its process had no time to save


@pytest.mark.slow
def test_who_leaves_asks_its_jobs_to_stop(cluster: Cluster, tmp_path: Path) -> None:
    executor = slurm()
    running, _ = counting(cluster, executor, tmp_path)
    waiting = executor.submit_all([Call(calls.span, (600.0,)) for _ in range(3)])
    began = time.monotonic()
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 15
    loses(running, "preempted", "signal SIGTERM")
    assert int((tmp_path / "done").read_text()) > 0
    for future in waiting:  # those that ran don't listen
        assert future.cancelled() or isinstance(future.exception(), LostError)
    cluster.until(lambda: not cluster.jobs(), "ended")


def test_a_killed_driver_leaves_its_jobs_to_finish(cluster: Cluster, tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    cluster.until(begun(tmp_path), "begun")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    (tmp_path / "enough").touch()
    cluster.until(lambda: not cluster.jobs(), "ended")
    assert [cluster.job(job)["JobState"] for job in all_jobs(cluster)][-1] == "COMPLETED"


def all_jobs(cluster: Cluster) -> list[str]:
    return sorted(cluster.run("squeue", "--noheader", "--states=all", "--format=%A").split())


@pytest.mark.slow
def test_a_job_at_its_time_limit_saves_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    """SLURM counts in minutes, and warns up to a minute early."""
    with slurm(time=1, warn_seconds=20) as executor:
        future, job = counting(cluster, executor, tmp_path)
        for _ in range(2):
            cluster.release(job)
            cluster.until(lambda: cluster.job(job)["JobState"] == "RUNNING", "running")
        (tmp_path / "enough").touch()
        starts = future.result(60)
    assert starts == sorted(set(starts))
    assert len(starts) == 3
