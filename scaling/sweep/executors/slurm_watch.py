"""What has become of a job that left no outcome, by what SLURM says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from scaling.errors import InputError
from scaling.sweep.executors import slurm_commands
from scaling.sweep.executors.contract import End, LostError
from scaling.sweep.executors.slurm_commands import State

# Questions that a job must have been gone for, as what it left may show late on a shared file
# system; or waiting in vain, as its partition may be being changed.
PATIENCE = 2
_SHOWN = 200  # characters of a log's last line
# Who waits for one of these would wait for ever.
NEVER = {
    "PartitionConfig", "PartitionTimeLimit", "PartitionNodeLimit", "AccountNotAllowed",
    "QOSNotAllowed", "InvalidAccount", "InvalidQOS", "BadConstraints", "DependencyNeverSatisfied",
    "AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit",
}  # fmt: skip
# SLURM failed to start these so often that it holds them.
HELD = {"JobHoldMaxRequeue", "launch failed requeued held", "JobHeldAdmin"}
TOLD: dict[str, tuple[End, str]] = {
    "CANCELLED": ("killed", "was cancelled"),
    "OUT_OF_MEMORY": ("killed", "was killed: out of memory"),
    "NODE_FAIL": ("killed", "lost its node"),
    "BOOT_FAIL": ("killed", "got a node that didn't boot"),
    "DEADLINE": ("killed", "met its deadline"),
    "TIMEOUT": ("preempted", "reached its time limit before it could save"),
    "PREEMPTED": ("preempted", "was preempted"),
}
# A process that was asked to stop (SIGUSR2, SIGTERM) before it could listen, as srun tells it.
ASKED = {"0:12", "0:15", "140:0", "143:0"}


@dataclass
class Job:
    """A call's job.

    number: ARRAY_INDEX, or of one alone; since: when it was seen to start, on this clock, None
    while it waits; accused: what the driver holds against it, ended: why, where the driver has
    ended it; hopeless: how often in a row SLURM has said that it is no more, or never will be.
    """

    key: str
    number: str
    since: float | None = None
    accused: LostError | None = None
    ended: LostError | None = None
    hopeless: int = 0

    def runs(self, state: State | None) -> bool:
        """Whether it runs, noted with when that began."""
        running = state is not None and state.name == "RUNNING"
        self.since = (self.since or time.monotonic()) if running else None
        return running

    def runs_for(self, seconds: float) -> bool:
        """Whether it has run for so long since it last started."""
        return self.since is not None and time.monotonic() - self.since >= seconds


def fate(job: Job, state: State | None, logs: Path) -> Exception | None:
    """How the call has ended; None while the job is to be waited for.

    state: as the queue has it, None where it doesn't list the job any more.
    """
    reason = state.reason.split(",")[0].strip("()") if state is not None else ""
    waits = state is not None and state.name == "PENDING"
    if waits and reason in HELD:
        return LostError("killed", f"job {job.number} is held: {reason}")
    if state is not None and state.lives and not (waits and reason in NEVER):
        job.hopeless = 0
        return None
    job.hopeless += 1
    if job.hopeless < PATIENCE:
        return None
    if waits:
        told = f"executor slurm: SLURM never starts job {job.number} as it is: {reason}"
        return job.ended or InputError(told)
    return job.ended or _lost(job, logs)


def _lost(job: Job, logs: Path) -> LostError:
    facts = slurm_commands.facts(job.number)
    state = facts.get("JobState", "").split(" ")[0]
    code = facts.get("ExitCode", "")
    label, became = TOLD.get(state, ("killed", f"ended without a result ({state} {code})".strip()))
    if state == "FAILED" and code in ASKED:
        label, became = "preempted", "was asked to stop as it started"
    where = f" on {facts['NodeList']}" if facts.get("NodeList") else ""
    log = logs / f"{job.number}_0_log.err"
    return LostError(label, f"job {job.number}{where} {became}; its log: {log}{_last_line(log)}")


def _last_line(log: Path) -> str:
    """What a log ends with, in brackets: mostly the error itself."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({last[:_SHOWN]})" if last else ""
