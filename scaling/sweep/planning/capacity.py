"""What a device here can hold, and which cells it can't. No JAX in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from scaling.devices import platform
from scaling.grid import Cell
from scaling.sweep.planning.plan import CellCost

# What JAX may take of its first device: less than there is, as its settings say.
_ASK = "import jax; print((jax.local_devices()[0].memory_stats() or {}).get('bytes_limit') or '')"
_PATIENCE = 120  # seconds
LITTLE = 2e9  # bytes: every accelerator has more, and asking one takes seconds


def too_large(
    cells: Iterable[Cell], known: Mapping[str, CellCost], memory_bytes: float, *, streamed: bool
) -> list[Cell]:
    """The cells that need more memory on a device than it has. streamed: training items lie on the
    host, and only a batch of them on the device."""

    return [c for c in cells if needed(known[c.id], streamed=streamed) > memory_bytes]


def needed(cost: CellCost, *, streamed: bool) -> int:
    """Bytes on one device at the peak of a step, training items among them unless streamed."""
    return cost.memory_bytes + (0 if streamed else cost.data_bytes)


def memory_here(most: float) -> int | None:
    """Bytes that a run can have on one device of this machine; None where nobody says, and where
    an accelerator need not be asked, since `most` that any run needs is little."""
    if platform() == "cpu":
        return host_memory()
    return accelerator_memory() if most > LITTLE else None


def host_memory() -> int | None:
    """Bytes of this host's memory, or of the part that the system grants this process; None where
    the system does not say."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has these names
        return None
    return min([physical, *granted(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def granted(own: Path, root: Path) -> list[int]:
    """The limits of this process's control groups, of either version, and of those above."""
    limits = []
    try:
        groups = own.read_text().splitlines()
    except OSError:
        return []
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (
            (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        )
        folder = top / path.lstrip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(top):
                break
            try:
                limits.append(int((place / name).read_text()))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return limits


@cache
def accelerator_memory() -> int | None:
    """Asked of JAX in a process of its own: this one must not take the device."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK],
            env={**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
        return int(done.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return None
