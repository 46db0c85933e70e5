"""The executor of runs that several processes train together: process 0 leads, the others follow.

The leader drives the study as ever: it alone stores and forecasts. Before each group of cells it
tells the others which ones come; then all train them, in step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import InputError
from scaling.grid import AnyData, Cell
from scaling.sweep.executors.contract import Call
from scaling.sweep.executors.debug import Debug
from scaling.sweep.storing.store import Store
from scaling.train import distributed, stopping

if TYPE_CHECKING:
    from scaling.files import Place

# A cell's id, 16 hexadecimal digits, as it is told: two int32.
WORDS = 2


def join(where: distributed.Place, cells: Sequence[Cell]) -> None:
    """Come together with the other processes. Raises InputError where the cells' devices are not
    all devices of all processes."""
    import jax

    distributed.initialise(where)
    for name in distributed.VARIABLES:  # they are for this place, and not for each order's own
        os.environ.pop(name, None)
    for cell in cells:
        if cell.devices.count != jax.device_count():
            raise InputError(
                f"[devices] data = {cell.devices.data}, fsdp = {cell.devices.fsdp} takes "
                f"{cell.devices.count} devices; the {where.processes} processes have "
                f"{jax.device_count()} together, and all of them must be used"
            )


class Together(Debug):
    """The executor of process 0: calls are made here, and the others train with it."""

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        return [self.made(call) for call in calls]


def tell(ids: Sequence[str]) -> None:
    """Let the others train these cells, as this process does."""
    _told(ids)


def dismiss() -> None:
    """Let the others go."""
    _told([])


def follow(cells: Sequence[Cell], data: AnyData, folder: Place) -> None:
    """Train what the leader says, until it says no more. `folder`: the study's, on a file system
    that all processes share: each writes its part of a checkpoint there, and nothing else.

    Raises `stopping.Stopped`, as the leader does, once any of the processes was asked to stop.
    """
    with stopping.catch():
        _follow({cell.id: cell for cell in cells}, data, Store(folder))
    if (why := stopping.asked()) is not None:
        raise stopping.Stopped(why, saved=True)


def _follow(planned: Mapping[str, Cell], data: AnyData, store: Store) -> None:
    from scaling.train.engine import train_trunk

    while ids := _told([]):
        if unknown := [each for each in ids if each not in planned]:
            raise InputError(
                f"process 0 trains cell {unknown[0]}, which is not planned here: the processes "
                "have other grids, data or versions"
            )
        try:
            train_trunk(
                [planned[each] for each in ids],
                data,
                checkpoint_path=store.checkpoint(planned[ids[0]].trunk),
                on_cell=lambda cell, outcome: None,
            )
        except stopping.Stopped:  # as all of them did; the leader says whether there is more
            stopping.clear(process=False)


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
