"""The executor of runs that several processes train together: process 0 leads, the others follow.

The leader drives the study as ever: it alone stores and forecasts. Before each group of cells it
tells the others which ones come; then all train them, in step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.grid import AnyData, Cell
from scaling.sweep import worker
from scaling.sweep.store import Store
from scaling.sweep.worker import Message
from scaling.train import distributed

# A cell's id, 16 hexadecimal digits, as it is told: two int32.
WORDS = 2


def join(where: distributed.Place, cells: Sequence[Cell]) -> None:
    """Come together with the other processes. Raises InputError where the cells' devices are not
    all devices of all processes."""
    import jax

    distributed.initialise(where)
    for cell in cells:
        if cell.devices.count != jax.device_count():
            raise InputError(
                f"[devices] data = {cell.devices.data}, fsdp = {cell.devices.fsdp} takes "
                f"{cell.devices.count} devices; the {where.processes} processes have "
                f"{jax.device_count()} together, and all of them must be used"
            )


def execute(
    task: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    on_message: Callable[[Message], None],
) -> None:
    """Call `task(groups, ...)` for every group of cells, here, while the other processes follow."""
    for groups, *rest in arguments:
        for cells in groups:
            _told([cell.id for cell in cells])
            with worker.here(on_message):
                task([cells], *rest)


def dismiss() -> None:
    """Let the others go."""
    _told([])


def follow(cells: Sequence[Cell], data: AnyData, folder: Path) -> None:
    """Train what the leader says, until it says no more. `folder`: the study's, on a file system
    that all processes share: each writes its part of a checkpoint there, and nothing else."""
    from scaling.train.engine import train_trunk

    planned, store = {cell.id: cell for cell in cells}, Store(folder)
    while ids := _told([]):
        if unknown := [each for each in ids if each not in planned]:
            raise InputError(
                f"process 0 trains cell {unknown[0]}, which is not planned here: the processes "
                "have other grids, data or versions"
            )
        train_trunk(
            [planned[each] for each in ids],
            data,
            checkpoint_path=store.checkpoint(planned[ids[0]].trunk),
            on_cell=lambda cell, outcome: None,
        )


def _told(ids: Sequence[str]) -> list[str]:
    """The ids that process 0 gives."""
    count = int(distributed.as_process_0(np.array([len(ids)], np.int32))[0])
    if not count:
        return []
    said = np.zeros((count, WORDS), np.int32)
    if distributed.leads():
        said = np.frombuffer(bytes.fromhex("".join(ids)), np.int32).reshape(count, WORDS)
    heard = distributed.as_process_0(said)
    return [row.tobytes().hex() for row in heard]
