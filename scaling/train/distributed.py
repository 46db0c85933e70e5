"""Several processes, on one host or many, that train one run together.

Each process calls `initialise` before it uses JAX; then `jax.devices()` are those of all
processes, and a mesh (`scaling.train.mesh`) may span them. All processes run the same program in
the same order; what the host reads of it is whole on each. Process 0 is the coordinator's, and the
only one that writes records.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError

# What says where a process stands, if no argument does.
VARIABLES = ("SCALING_COORDINATOR", "SCALING_PROCESS", "SCALING_PROCESSES")
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Place:
    """Of one process among all. coordinator: HOST:PORT, where process 0 listens."""

    coordinator: str
    process: int
    processes: int

    @property
    def on_loopback(self) -> bool:
        """Whether all processes are on one machine, and nobody else is to meet them."""
        host = self.coordinator.rpartition(":")[0].strip("[]")
        return host == "localhost" or host == "::1" or host.startswith("127.")

    def __post_init__(self) -> None:
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdigit():
            raise InputError(f"coordinator {self.coordinator!r}; valid: HOST:PORT")
        if not 0 <= self.process < self.processes:
            raise InputError(
                f"process {self.process} of {self.processes}; valid: 0 to {self.processes - 1}"
            )


def place(
    coordinator: str | None = None, process: int | None = None, processes: int | None = None
) -> Place | None:
    """From arguments, else from the variables SCALING_COORDINATOR, SCALING_PROCESS and
    SCALING_PROCESSES; None where neither says anything."""
    given = (coordinator, process, processes)
    said = [
        os.environ.get(name) if value is None else value
        for name, value in zip(VARIABLES, given, strict=True)
    ]
    if all(value is None for value in said):
        return None
    if missing := [name for name, value in zip(VARIABLES, said, strict=True) if value is None]:
        raise InputError(
            "of several processes each must know the coordinator, its own number and how many "
            f"there are: {', '.join(missing)} is not given"
        )
    where, *numbers = map(str, said)
    if wrong := [number for number in numbers if not number.isdigit()]:
        raise InputError(f"process and processes must be whole numbers, not {wrong[0]!r}")
    return Place(where, int(numbers[0]), int(numbers[1]))


def initialise(where: Place | None = None, *, timeout: float = TIMEOUT_SECONDS) -> None:
    """Join the other processes; without a place as the cluster's own variables say (SLURM, MPI).

    Raises InputError where they don't come together within `timeout` seconds.
    """
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]  # JAX has no type for it
    known: dict[str, Any] = {}
    if where is not None:
        known["coordinator_address"] = where.coordinator
        known["num_processes"], known["process_id"] = where.processes, where.process
        if where.on_loopback:  # by itself JAX listens at every address of the host
            known["coordinator_bind_address"] = where.coordinator
        if where.process:
            _await(where, timeout)
    seconds = max(1, round(timeout))
    try:
        jax.distributed.initialize(initialization_timeout=seconds, **known)
    except (RuntimeError, ValueError) as error:
        told = str(error).splitlines()[0]
        raise InputError(f"the processes didn't come together in {seconds} s: {told}") from None


def joined() -> bool:
    """Whether this is one of several processes."""
    jax = sys.modules.get("jax")  # which a process that joined has imported
    return jax is not None and jax.distributed.is_initialized() and jax.process_count() > 1


def leads() -> bool:
    """Whether this process is the one that writes."""
    import jax

    return not joined() or jax.process_index() == 0


def as_process_0(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """What process 0 gave; every process must call it, with as many values."""
    if not joined():
        return values
    from jax.experimental import multihost_utils

    told: NDArray[np.int32] = np.asarray(multihost_utils.broadcast_one_to_all(values))
    return told


def gathered(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """What each process gave, [processes, values]; every process must call it."""
    if not joined():
        return values[None]
    from jax.experimental import multihost_utils

    told: NDArray[np.int32] = np.asarray(multihost_utils.process_allgather(values))
    return told


def _await(where: Place, timeout: float) -> None:
    """Until the coordinator listens: JAX would wait for it in silence, and end the process."""
    host, _, port = where.coordinator.rpartition(":")
    until = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise InputError(
                    f"process {where.process}: the coordinator {where.coordinator} doesn't answer "
                    f"within {timeout:.0f} s ({error}): is process 0 running there?"
                ) from None
            time.sleep(0.2)
