"""What runs inside a SLURM job: one call, asked to stop before SLURM ends it, and its outcome.

Outcomes are files of the executor's private folder. A call that was asked to stop, by the time
limit or a preemption, saves what it has and raises `Stopped`; its job then goes back into the
queue, and the next start goes on from there.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.executors import slurm_commands
from scaling.train import stopping
from scaling.train.distributed import VARIABLES

# done: what it returned; error: what it raised; stopped: why, where it isn't queued again.
Kind = Literal["done", "error", "stopped"]
# The coordinator's port, of several processes: below those that systems give to clients.
PORTS = range(20_000, 32_000)
OUTCOMES = "outcomes"
_LEAVING = "leaving"  # a file: the driver has asked all jobs to stop
_HELD = {"RUNNING", "SIGNALING", "STOPPED", "SUSPENDED", "RESIZING"}  # a job that has its nodes
_TRIES, _BETWEEN_SECONDS = 5, 1.0


@dataclass(frozen=True)
class Ticket:
    """Where a job belongs. environment: what JAX must be told before it starts; path: the driver's,
    of modules; requeues: starts after the first, at most."""

    key: str
    folder: Path
    environment: dict[str, str]
    path: tuple[str, ...]
    requeues: int


def perform(ticket: Ticket, call: bytes) -> None:
    """Make the call, and leave its outcome in the folder. What it raises is raised here, too: the
    job's log shows it, and SLURM that it failed."""
    sys.path += [each for each in ticket.path if each not in sys.path]
    os.environ |= ticket.environment
    leads = join()
    with stopping.catch(signal.SIGTERM, signal.SIGUSR2):
        function, arguments = pickle.loads(call)
        try:
            value = function(*arguments)
        except stopping.Stopped as stopped:
            if leads:
                _leave(ticket, stopped)
        except Exception as error:
            if leads or isinstance(
                error, InputError
            ):  # what is wrong may be wrong on one host only
                tell(ticket, "error", worker.portable(error))
            raise
        else:
            if leads:
                tell(ticket, "done", value)


def join() -> bool:
    """Say in the environment where this process stands among those of its job, and whether it is
    the first. They meet at the first node."""
    from submitit import JobEnvironment

    job = JobEnvironment()
    if job.num_tasks > 1:
        port = PORTS[int(job.raw_job_id) % len(PORTS)]
        where = f"{slurm_commands.address(job.hostnames[0])}:{port}"
        os.environ |= dict(
            zip(VARIABLES, (where, str(job.global_rank), str(job.num_tasks)), strict=True)
        )
    return job.global_rank == 0


def tell(ticket: Ticket, kind: Kind, value: Any) -> None:
    """Store the outcome, whole or not at all."""
    place = ticket.folder / OUTCOMES / ticket.key
    part = ticket.folder / f"{ticket.key}.part"
    part.write_bytes(pickle.dumps((kind, value)))
    part.replace(place)


def left(folder: Path) -> set[str]:
    """The keys of the jobs that have left an outcome."""
    return {entry.name for entry in os.scandir(folder / OUTCOMES)}


def take(folder: Path, key: str) -> tuple[Kind, Any]:
    """What a job has left; it is there once only."""
    place = folder / OUTCOMES / key
    kind: Kind
    try:
        kind, value = pickle.loads(place.read_bytes())
    except Exception as error:  # of a class that only the job knows, say
        kind, value = "error", RuntimeError(f"what its job left can't be read: {error}")
    place.unlink()
    return kind, value


def ask_all_to_leave(folder: Path) -> None:
    """Jobs that are asked to stop from now on aren't queued again."""
    (folder / _LEAVING).touch()


def _leave(ticket: Ticket, stopped: stopping.Stopped) -> None:
    """Go back into the queue, unless the driver, or who cancelled the job, doesn't want it."""
    number = os.environ["SLURM_JOB_ID"]
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    # Work that became another's is nothing to come back for.
    if not stopping.saves() or (ticket.folder / _LEAVING).exists() or restarts >= ticket.requeues:
        tell(ticket, "stopped", str(stopped))
        return
    for _ in range(_TRIES):  # SLURM may be too busy to answer, or still be at work on the signal
        state = slurm_commands.facts(number).get("JobState")
        if state is not None and state not in _HELD:
            return  # SLURM has itself begun to cancel or to requeue it
        if state is not None and slurm_commands.requeue(number):
            return
        time.sleep(_BETWEEN_SECONDS)
    tell(ticket, "stopped", f"{stopped}, and SLURM doesn't queue the job again")
