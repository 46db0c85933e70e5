"""What SLURM is asked and told, by its own commands: lists of words, never a shell's line."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from scaling.errors import InputError

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
TIMEOUT_SECONDS = 60.0
AT_ONCE = 500  # job numbers in one command
# Where accounting is off, SLURM answers for a job only while it remembers it (MinJobAge).
ALIVE = {
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING",
    "STAGE_OUT", "RESIZING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "REVOKED",
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - what went wrong is in its text
    """A command of SLURM failed: its own message."""


@dataclass(frozen=True)
class State:
    """Of one job in the queue. reason: why it waits; node: where it runs."""

    name: str
    reason: str
    node: str

    @property
    def lives(self) -> bool:
        return self.name in ALIVE


def need() -> None:
    """Raise InputError where there is no SLURM to be asked, or it doesn't answer."""
    if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise InputError(
            f"executor slurm: {', '.join(lacking)} not found on PATH: run this on a node from "
            "which jobs are submitted (a login node)"
        )
    try:
        _run("scontrol", "ping")
    except Refused as refused:
        raise InputError(f"executor slurm: SLURM doesn't answer: {refused}") from None


def largest_array() -> int:
    """How many jobs one array may hold: the site's MaxArraySize, which caps the index."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _run("scontrol", "show", "config"), re.M)
    return max(1, int(found[1])) if found else 1


def states(arrays: Sequence[str]) -> dict[str, State] | None:
    """By job number (ARRAY_INDEX), those of these jobs and arrays that SLURM remembers; None where
    it doesn't answer."""
    found: dict[str, State] = {}
    for some in _portions(arrays):
        try:
            listed = _run(
                "squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%N",
                f"--jobs={','.join(some)}",
            )  # fmt: skip
        except Refused as refused:
            if "Invalid job id" not in str(refused):
                return None
            continue
        for line in listed.splitlines():
            number, state, reason, node = line.split("|", 3)
            found[number.strip()] = State(state, reason, node)
    return found


def facts(number: str) -> dict[str, str]:
    """All that SLURM tells of one job; of one that it has forgotten what accounting has kept."""
    with suppress(Refused):
        told = _run("scontrol", "--oneliner", "show", "job", number).split("\n")[0]
        return dict(word.split("=", 1) for word in told.split() if "=" in word)
    with suppress(Refused, OSError):
        keys = ("JobState", "ExitCode", "NodeList")
        told = _run(
            "sacct", "--noheader", "--allocations", "--parsable2", "--jobs", number,
            "--format=State,ExitCode,NodeList",
        )  # fmt: skip
        if lines := told.splitlines():
            return dict(zip(keys, lines[-1].split("|"), strict=True))
    return {}


def cancel(numbers: Sequence[str], *, signal: str | None = None, state: str | None = None) -> None:
    """Cancel jobs, or only send their processes a signal; those that have ended don't matter."""
    how = [f"--{key}={value}" for key, value in (("signal", signal), ("state", state)) if value]
    for some in _portions(numbers):
        with suppress(Refused):
            _run("scancel", "--quiet", *how, *some)


def requeue(number: str) -> bool:
    """Put a running job back into the queue; whether SLURM did."""
    try:
        _run("scontrol", "requeue", number)
    except Refused:
        return False
    return True


def generic_resources(partition: str | None) -> str:
    """What the nodes of a partition (None: the default one) have beside cores, in SLURM's words."""
    with suppress(Refused):
        lines = [line.split("|") for line in _run("sinfo", "--noheader", "--format=%P|%G").split()]
        here = [
            resources
            for name, resources in lines
            if (name.rstrip("*") == partition if partition else name.endswith("*"))
        ]
        return ", ".join(dict.fromkeys(here))
    return ""


def address(node: str) -> str:
    """A node's name where it can be looked up, else the address that SLURM has for it."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        found = re.search(r"NodeAddr=(\S+)", _run("scontrol", "--oneliner", "show", "node", node))
        return found[1] if found else node
    return node


def _portions(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{command[0]}: no answer in {TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode:
        raise Refused(message(done.stderr or done.stdout))
    return done.stdout


def message(told: str) -> str:
    """SLURM's own words, without the names of its programs."""
    lines = [re.sub(r"^\w+: (error: |fatal: )?", "", line) for line in told.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line.strip()))
