"""A real SLURM on this host, started by tests: two nodes with two GPUs each, which any device file
may be, and its own munge; Debian's packages, no systemd, no accounting."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

from batteries import processes

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "munged", "setpriv")
HOW = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
NODES = ("n1", "n2")
START_SECONDS = 20.0
# `bare` is a partition without GPUs, on a node that never comes up: what it refuses is enough.
CONFIG = """
ClusterName=batteries
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
PriorityType=priority/basic
FirstJobId={first_job}
MaxArraySize={array_size}
ReturnToService=2
SlurmdTimeout=8
KillWait=5
InactiveLimit=0
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4000 Gres=gpu:2
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=1 RealMemory=4000
PartitionName=main Nodes=n[1-2] Default=YES PriorityTier=1 GraceTime=15
PartitionName=high Nodes=n[1-2] PriorityTier=10 PreemptMode=OFF
PartitionName=bare Nodes=n3
"""
GRES = """
NodeName=n[1-2] Name=gpu File=/dev/null
NodeName=n[1-2] Name=gpu File=/dev/zero
"""
# When a requeued job is to start again: a credential of the second in which its first start was
# ended counts as revoked, and SLURM would fail the job.
SOON = "StartTime=now+2"


def missing() -> str | None:
    """Why there can be no SLURM here, and how to mend that."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    if lacking := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        return f"no SLURM here ({', '.join(lacking)} missing): {HOW}"
    return None


@dataclass(frozen=True)
class Cluster:
    """One that runs. environment: what makes SLURM's commands find it."""

    folder: Path
    environment: dict[str, str]
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *command: str) -> str:
        """What a command prints; the test fails where the command does."""
        done = self.ask(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The same, of a command that may fail."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True
        )

    def job(self, number: str) -> dict[str, str]:
        """What SLURM knows of a job; {} of one that it doesn't know."""
        first = self.ask("scontrol", "--oneliner", "show", "job", number).stdout.split("\n")[0]
        return dict(word.split("=", 1) for word in first.split() if "=" in word)

    def requeued(self, number: str) -> None:
        """Wait until a job that ran waits again."""
        self.until(lambda: self.job(number).get("JobState") == "PENDING", "requeued", 120)

    def release(self, number: str) -> None:
        """Start a requeued job now: SLURM makes it wait two minutes."""
        self.requeued(number)
        self.run("scontrol", "update", f"JobId={number}", SOON)

    def until(self, true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait until `true()`."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not {what} in {seconds:.0f} s\n{self.logs()}"
            time.sleep(0.1)

    def jobs(self, form: str = "%i") -> list[str]:
        """Those in the queue, that wait or run."""
        return self.run("squeue", "--noheader", "--array", f"--format={form}").splitlines()

    def empty(self) -> None:
        """End all jobs, and mend the nodes."""
        for how in (["--signal=KILL"], []):
            self.ask("scancel", "--quiet", "--user", getuser(), *how)
        self.mend()
        self.until(lambda: _idle(self) == len(NODES), "empty")

    def mend(self) -> None:
        """Bring the nodes back that were lost."""
        for name in NODES:
            if not any(map(processes.lives, processes.writers(self.folder / f"slurmd.{name}.log"))):
                self.start_node(name)
        self.until(self._mended, "mended")

    def _mended(self) -> bool:
        """Nodes that register may be up by themselves between the question and the order."""
        down = self.run("sinfo", "--noheader", "--Node", "--states=down", "--format=%N").split()
        for name in {*down} & {*NODES}:
            self.ask("scontrol", "update", f"NodeName={name}", "State=RESUME")
        return not {*down} & {*NODES}

    @contextmanager
    def released(self) -> Iterator[None]:
        """Inside, all jobs that are requeued start again at once."""
        over = threading.Event()

        def release() -> None:
            while not over.wait(0.3):
                listed = self.ask("squeue", "--noheader", "--array", "--states=PENDING",
                                  "--format=%i|%r").stdout  # fmt: skip
                for line in listed.splitlines():
                    number, reason = line.split("|")
                    if reason == "BeginTime":
                        self.ask("scontrol", "update", f"JobId={number}", SOON)

        thread = threading.Thread(target=release)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
            for path in sorted(self.folder.glob("*.log"))
        )

    def start(self, *command: str) -> None:
        """A daemon, that ends with this process however that ends."""
        self.daemons.append(
            subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env={**os.environ, **self.environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def start_node(self, name: str) -> None:
        self.start("slurmd", "-D", "-c", "-f", str(self.folder / "slurm.conf"), "-N", name)

    def preempt(self, job: str) -> None:
        """By a job that counts for more and wants the same node."""
        node = self.job(job)["NodeList"]
        self.run(
            "sbatch", "--partition=high", f"--nodelist={node}", "--output=/dev/null", "--time=1",
            "--wrap=sleep 0.1",
        )  # fmt: skip

    def lose_node(self, name: str) -> None:
        """As if its power failed: its daemon and all of its jobs' processes are gone at once."""
        processes.kill(processes.writers(self.folder / f"slurmd.{name}.log"))


@contextmanager
def cluster(folder: Path, *, array_size: int = 1001) -> Iterator[Cluster]:
    """A cluster in `folder`; nothing of it is left behind. Jobs are numbered from the port of its
    controller on, so that those of two clusters on one host differ."""
    for name in ("state", "spool.n1", "spool.n2"):
        (folder / name).mkdir(parents=True)
    ports = _free_ports(4)
    known = {
        "folder": folder, "host": socket.gethostname().split(".")[0], "user": getuser(),
        "ports": ports, "first_job": ports[0], "array_size": array_size,
    }  # fmt: skip
    (folder / "slurm.conf").write_text(CONFIG.format(**known))
    (folder / "gres.conf").write_text(GRES)
    environment = {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
    }
    made = Cluster(folder, environment)
    try:
        _start(made)
        yield made
    finally:
        _stop(made)


def _start(made: Cluster) -> None:
    folder = made.folder
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    made.start(
        "munged", "--foreground", "--force", f"--key-file={key}",
        f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed", "--num-threads=2",
    )  # fmt: skip
    made.until((folder / "munge.socket").exists, "up", START_SECONDS)
    made.start("slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf"))
    for name in NODES:
        made.start_node(name)
    made.until(lambda: _idle(made) == len(NODES), "up", START_SECONDS)


def _idle(made: Cluster) -> int:
    states = made.ask("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T")
    return states.stdout.split().count("idle")


def _stop(made: Cluster) -> None:
    """At once: what the daemons would still do is of no use to a test."""
    logs = [made.folder / f"{name}.log" for name in ("slurmctld", *(f"slurmd.{n}" for n in NODES))]
    everyone = [pid for log in logs for pid in processes.writers(log)]
    processes.kill([*everyone, *(daemon.pid for daemon in made.daemons if daemon.poll() is None)])
    for daemon in made.daemons:
        daemon.wait()
    made.until(lambda: not any(map(processes.lives, everyone)), "ended")


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
