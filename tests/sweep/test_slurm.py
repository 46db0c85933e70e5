"""The SLURM executor keeps the contract, on a real SLURM that is started here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from batteries import calls
from batteries.executors import WorkersContract, die, square
from batteries.slurm import Cluster

from scaling.errors import InputError
from scaling.sweep.executors import start
from scaling.sweep.executors.contract import Call, Executor, LostError, Needs


def slurm(*, workers: int | None = None, **options: object) -> Executor:
    return start("slurm", {"poll_seconds": 0.3, **options}, workers=workers, hang_seconds=0.0)


class TestSlurm(WorkersContract):
    @pytest.fixture
    def start(self, cluster: Cluster) -> Callable[[], Executor]:
        return slurm


def test_calls_are_jobs_in_arrays_no_larger_than_the_site_allows(cluster: Cluster) -> None:
    executor = slurm(partition="main")
    executor.submit_all([Call(square, (n,), label=f"n={n}") for n in range(5)])
    names = [line.split("|") for line in cluster.jobs("%F|%j")]
    executor.shutdown(cancel_futures=True)
    assert len({array for array, _ in names}) == 2  # this site's MaxArraySize is 4
    assert {name for _, name in names} == {"n=0 and 3 more", "n=4"}


@pytest.mark.slow
def test_no_more_jobs_in_the_queue_than_asked_for(cluster: Cluster) -> None:
    """As sites allow only so many; the others wait in the executor."""
    with slurm(queued=2) as executor:
        futures = executor.submit_all([Call(square, (n,)) for n in range(4)])
        seen = [len(cluster.jobs())]
        while not all(future.done() for future in futures):
            left = cluster.run("squeue", "--noheader", "--array", "--states=PENDING,RUNNING")
            seen.append(len(left.splitlines()))
        assert [future.result() for future in futures] == [0, 1, 4, 9]
    assert seen[0] == max(seen) == 2


def test_of_a_lost_call_the_log_is_kept_for_its_user_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    with slurm() as executor, pytest.raises(LostError, match="ended without a result") as lost:
        executor.submit(die, tmp_path, 9).result(60)
    path, _, last = lost.value.told.rpartition("its log: ")[2].partition(" (")
    log = Path(path)
    assert log.is_file()
    assert last.removesuffix(")") in log.read_text()
    assert log.parents[1].stat().st_mode & 0o077 == 0


def test_gpus_are_asked_for_and_given(cluster: Cluster) -> None:
    with slurm(gpus=1) as executor:
        assert executor.platform == "gpu"
        asked = [Needs(devices=1), Needs(devices=2)]
        futures = executor.submit_all(
            [Call(calls.variables, ("CUDA_VISIBLE_DEVICES",), needs) for needs in asked]
        )
        seen = [future.result(60)["CUDA_VISIBLE_DEVICES"] for future in futures]
    assert seen == ["0", "0,1"]
    folder = Path(os.environ["SCALING_CACHE"]) / "slurm"
    assert not list(folder.iterdir())  # nobody needs these logs


def test_processes_of_one_call_know_each_other(cluster: Cluster) -> None:
    names = ("SCALING_COORDINATOR", "SCALING_PROCESS", "SCALING_PROCESSES")
    with slurm() as executor:
        call = Call(calls.variables, names, Needs(processes=2))
        seen = executor.submit_all([call])[0].result(60)
    host, _, port = seen.pop("SCALING_COORDINATOR").rpartition(":")
    assert host == "127.0.0.1"  # node n1's address: its name is no host's
    assert 20_000 <= int(port) < 32_000
    assert seen == {"SCALING_PROCESS": "0", "SCALING_PROCESSES": "2"}


def test_no_more_jobs_at_once_than_asked_for(cluster: Cluster) -> None:
    with slurm(workers=1, array=2) as executor:
        assert executor.slots == 1
        futures = executor.submit_all([Call(calls.span, (0.1,)) for _ in range(3)])  # two arrays
        spans = sorted(future.result(60) for future in futures)
    assert all(end <= began for (_, end), (began, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("options", "needs", "told"),
    [
        ({"partition": "mian"}, Needs(), r"SLURM refuses the jobs: .*invalid partition specified: "
         r"mian; Batch job submission failed: Invalid partition name specified$"),
        ({"cpus": 64}, Needs(), "SLURM never starts job .*: PartitionConfig"),
        ({"memory_gb": 1000}, Needs(), "Memory specification can not be satisfied"),
        ({"gpus": 3}, Needs(), "not available; 3 GPUs a process are asked of the default "
         "partition, whose nodes have gpu:2$"),
        ({"gpus": 1, "partition": "bare"}, Needs(), "not available; 1 GPUs a process are asked of "
         "partition 'bare', which has none$"),
        ({}, Needs(processes=3), "SLURM never starts job .*: PartitionConfig"),
        ({"partition": "main\ntouch x"}, Needs(), "executor slurm: partition: String should match"),
        ({"time": 0}, Needs(), "time: .*greater than 0"),
        ({"partion": "main"}, Needs(), "did you mean 'partition'"),
        ({"folder": "/tmp/$(touch x)"}, Needs(), r"folder '/tmp/\$\(touch x\)' has '\$' in it"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_in_the_schedulers_words(
    cluster: Cluster, options: dict[str, object], needs: Needs, told: str
) -> None:
    with pytest.raises(InputError, match=told), slurm(**options) as executor:
        executor.submit_all([Call(square, (1,), needs)])[0].result(60)
    assert not cluster.jobs()


def test_what_waits_for_ever_is_refused(cluster: Cluster) -> None:
    cluster.run("scontrol", "update", "PartitionName=high", "MaxTime=10")
    try:
        with slurm(partition="high", time=60) as executor:
            future = executor.submit_all([Call(square, (1,))])[0]
            with pytest.raises(
                InputError, match=r"never starts job .*: Partition(Config|TimeLimit)$"
            ):
                future.result(60)
    finally:
        cluster.run("scontrol", "update", "PartitionName=high", "MaxTime=INFINITE")


def test_names_are_no_shell_words(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = "$(touch x);'\"`touch x`\n#SBATCH --partition=bare\ntouch x &\\"
    with slurm() as executor:
        future = executor.submit_all([Call(calls.variables, ("SLURM_JOB_NAME",), label=odd)])[0]
        name = future.result(60)["SLURM_JOB_NAME"]
    assert (
        name == "%24%28touch x%29%3B%27%22%60touch x%60%0A%23SBATCH --partition=bare%0Atouch x %2"
    )
    assert not list(tmp_path.rglob("x"))


def test_without_slurm_or_submitit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"sbatch, srun, .* not found on PATH: .*a login node"):
        slurm()


def test_without_submitit(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"submitit: pip install 'scaling-laws\[slurm\]'"):
        slurm()


def test_a_controller_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, tmp_path: Path
) -> None:
    dead = (cluster.folder / "slurm.conf").read_text().replace("SlurmctldPort=", "SlurmctldPort=1")
    (tmp_path / "slurm.conf").write_text(dead + "\nMessageTimeout=1\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    began = time.monotonic()
    with pytest.raises(InputError, match="SLURM doesn't answer"):
        slurm()
    assert time.monotonic() - began < 20
