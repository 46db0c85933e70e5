"""Processes of this machine that tests have started: found by what they write, and ended."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest


def writers(path: Path) -> list[int]:
    """Those that have this file open, and all that they started."""
    processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {pid: _parent(pid) for pid in processes}
    found, more = list[int](), {pid for pid in processes if str(path) in _opened(pid)}
    while more:
        found += more
        more = {pid for pid, parent in parents.items() if parent in more} - set(found)
    return found


def _opened(pid: int) -> list[str]:
    try:
        return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it has just ended
        return []


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def lives(pid: int) -> bool:
    """Not even as a zombie, which is its parent's to bury."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pids: list[int]) -> None:
    """All at the same moment: none sees another go, and tells."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def descendants(pid: int) -> set[int]:
    """The processes below one, with theirs."""
    if not Path(f"/proc/{pid}/task").exists():
        pytest.skip("finding processes needs Linux's /proc")
    found = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):
            for child in map(int, children.read_text().split()):
                found |= {child} | descendants(child)
    return found
