"""What the parts of a study cost: compute, time on so many devices, money, memory, storage. No JAX.

One part begins when the one before it is done (targets after their forecast): a study's time is the
sum of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from typing import Any

from scaling.devices import Platform
from scaling.families import Shape
from scaling.grid import CHUNK_STEPS, Cell
from scaling.sweep.planning.plan import CellCost, by_length, trunks
from scaling.sweep.planning.schedule import Schedule, schedule, tasks_of, width

HOUR = 3600.0
# Bytes of a cell's two JSON files, and of a curve: of each column, and of each of its numbers. As
# the files of our own studies are, to 10 % for curves; docs/planning.md has the command.
RECORD_BYTES = 3000
COLUMN_BYTES, NUMBER_BYTES = 660, 5.3
# A curve's columns beside those of blocks, and those of each block.
OWN_COLUMNS, BLOCK_COLUMNS = 12, 3
# Of a checkpoint while it is written: the one before it stays until the new one is whole.
COPIES = 2


@dataclass(frozen=True)
class Storage:
    """Bytes of a study's folder. checkpoints: at the worst moment, the largest trunks all at work
    at once; they are gone when the study is done."""

    records: int
    curves: int
    checkpoints: int

    @property
    def total(self) -> int:
        return self.records + self.curves + self.checkpoints


@dataclass(frozen=True)
class Part:
    """What some cells of a study cost together.

    flops: to be spent; flops_apart: if each cell were trained apart. device_seconds: worked, over
    all devices. wall_seconds: by the simulated schedule; bound_seconds: what no schedule beats, and
    longest_seconds: the longest trunk's, which is a part of it. dollars: of the device-hours that
    are worked; dollars_held: of all devices, held until the last one is done. Times and money are
    None where nothing was timed or priced. largest: the id of the cell with the largest memory.
    """

    name: str
    cells: int
    trunks: int
    flops: int
    flops_apart: int
    bytes_read: int
    device_seconds: float | None
    wall_seconds: float | None
    bound_seconds: float | None
    longest_seconds: float | None
    dollars: float | None
    dollars_held: float | None
    memory_bytes: int
    largest: str
    storage: Storage

    def to_dict(self) -> dict[str, Any]:
        storage = {f"{name}_bytes": value for name, value in asdict(self.storage).items()}
        hours = None if self.device_seconds is None else self.device_seconds / HOUR
        own = {k: v for k, v in asdict(self).items() if k != "storage"}
        return {**own, "device_hours": hours, **storage, "storage_bytes": self.storage.total}


def parts(
    named: Sequence[tuple[str, list[Cell]]],
    known: Mapping[str, CellCost],
    *,
    devices: int,
    on: Platform,
    price: float | None,
) -> list[Part]:
    """What is trained one after another, by name, and last the whole study, on so many devices.

    price: dollars of a device-hour. Raises InputError where a run needs more devices.
    """
    found = [_part(name, cells, known, devices, on, price) for name, cells in named]
    return [*found, _whole(found)]


def _part(
    name: str,
    cells: list[Cell],
    known: Mapping[str, CellCost],
    devices: int,
    on: Platform,
    price: float | None,
) -> Part:
    of_cells = [known[cell.id] for cell in cells]
    groups, weights = by_length(cells, known)
    timed = all(cost.seconds is not None for cost in of_cells)
    plan: Schedule | None = schedule(tasks_of(groups, weights, on), devices) if timed else None
    worked = sum(w * width(g[0], on) for w, g in zip(weights, groups, strict=True))
    largest = max(of_cells, key=lambda cost: cost.memory_bytes)
    return Part(
        name=name,
        cells=len(cells),
        trunks=len(groups),
        flops=sum(cost.flops for cost in of_cells),
        flops_apart=sum(cell.C for cell in cells),
        bytes_read=sum(cost.own_bytes_read for cost in of_cells),
        device_seconds=worked if plan else None,
        wall_seconds=plan.seconds if plan else None,
        bound_seconds=plan.bound if plan else None,
        longest_seconds=weights[0] if plan else None,
        dollars=worked / HOUR * price if plan and price is not None else None,
        dollars_held=devices * plan.seconds / HOUR * price if plan and price is not None else None,
        memory_bytes=largest.memory_bytes,
        largest=largest.cell.id,
        storage=_storage(cells, known, devices),
    )


def _whole(found: list[Part]) -> Part:
    """The parts one after another."""

    def total(name: str) -> Any:
        values = [getattr(part, name) for part in found]
        return None if None in values else sum(values)

    def most(name: str) -> Any:
        values = [getattr(part, name) for part in found]
        return None if None in values else max(values)

    summed = ("cells", "trunks", "flops", "flops_apart", "bytes_read", "device_seconds",
              "wall_seconds", "bound_seconds", "dollars", "dollars_held")  # fmt: skip
    largest = max(found, key=lambda part: part.memory_bytes)
    return Part(
        name="study",
        **{name: total(name) for name in summed},
        longest_seconds=most("longest_seconds"),
        memory_bytes=largest.memory_bytes,
        largest=largest.largest,
        storage=Storage(
            sum(part.storage.records for part in found),
            sum(part.storage.curves for part in found),
            max(part.storage.checkpoints for part in found),
        ),
    )


def _storage(cells: list[Cell], known: Mapping[str, CellCost], devices: int) -> Storage:
    columns: dict[Shape, int] = {}
    curves = 0.0
    for cell in cells:
        if cell.shape not in columns:
            columns[cell.shape] = OWN_COLUMNS + BLOCK_COLUMNS * _blocks(cell.shape)
        rows = cell.steps / CHUNK_STEPS
        curves += columns[cell.shape] * (COLUMN_BYTES + NUMBER_BYTES * rows)
    states = (known[group[0].id].checkpoint_bytes for group in trunks(cells).values())
    at_work = sum(nlargest(devices, states))
    return Storage(RECORD_BYTES * len(cells), round(curves), COPIES * at_work)


def _blocks(shape: Shape) -> int:
    """Blocks that a run tells of, at most: layers with weights, norms left out."""
    return sum(layer.parameters > 0 and layer.kind != "norm" for layer in shape.layers())
