"""What a study will cost before any of it is spent: FLOPs, memory, reading, seconds. No JAX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from scaling.devices import Platform, platform
from scaling.families import Shape, Unit
from scaling.families.memory import FLOAT32, MOMENTS, Memory
from scaling.grid import Cell


@dataclass(frozen=True)
class CellCost:
    """Marginal costs: a trunk is paid by the first cell that needs each of its segments."""

    cell: Cell
    own_steps: int
    flops: int
    memory: Memory
    seconds: float | None  # None where nothing was timed

    @property
    def memory_bytes(self) -> int:
        """At the peak of a step, on one device; training items not counted."""
        return self.memory.total

    @property
    def computed_flops(self) -> int:
        """Of one full run of this length: with what is computed twice, or for padding."""
        recipe = self.cell.recipe
        step = self.cell.shape.computed_flops(self.cell.batch, remat=recipe.remat is not None)
        return self.cell.steps * step

    @property
    def total_flops(self) -> int:
        """Of one full run of this length, elementwise work and the optimiser's too."""
        return self.cell.steps * self.cell.shape.total_flops(self.cell.batch, self.cell.use())

    @property
    def bytes_read(self) -> int:
        """Of training items, by one full run of this length."""
        return self.cell.D * item_bytes(self.cell)

    @property
    def own_bytes_read(self) -> int:
        """Of training items, by the steps that no other cell pays."""
        return self.own_steps * self.cell.batch * item_bytes(self.cell)

    def to_dict(self) -> dict[str, Any]:
        """All of it, by name; bytes of memory at the peak of a step."""
        memory = {f"{part}_bytes": value for part, value in asdict(self.memory).items()}
        return {
            "flops_spent": self.flops,
            "computed_flops": self.computed_flops,
            "total_flops": self.total_flops,
            "memory_bytes": self.memory_bytes,
            **memory,
            "data_bytes": self.data_bytes,
            "bytes_read": self.bytes_read,
            "checkpoint_bytes": self.checkpoint_bytes,
            "seconds": self.seconds,
        }

    @property
    def data_bytes(self) -> int:
        """Of the training items that lie on the device where they are not streamed."""
        return self.cell.D_unique * item_bytes(self.cell)

    @property
    def checkpoint_bytes(self) -> int:
        """Parameters and optimiser, as float32."""
        moments = MOMENTS[self.cell.use().optimiser]
        return FLOAT32 * (1 + moments) * self.cell.shape.N_total


def trunks(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells by trunk, shortest first within one."""
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda c: c.steps):
        groups.setdefault(cell.trunk, []).append(cell)
    return groups


def costs(
    cells: Iterable[Cell], timings: Mapping[str, Mapping[str, float]], on: Platform | None = None
) -> dict[str, CellCost]:
    """The cost of each cell by id; `timings` is keyed by `cell.timing_key`.

    on: the kind of device that it is for, by default this machine's.
    """
    out = {}
    here = on or platform()
    peaks: dict[Any, Memory] = {}  # of thousands of trunks there are few shapes and uses
    for group in trunks(cells).values():
        shape, batch, use = group[0].shape, group[0].batch, group[0].use(here)
        if (shape, batch, use) not in peaks:
            peaks[shape, batch, use] = shape.memory(batch, use)
        memory, per_step = peaks[shape, batch, use], batch * shape.training_flops()
        timing = timings.get(group[0].timing_key) if timings else None
        reached = 0
        for i, cell in enumerate(group):
            cool = cell.cool_steps
            branch = cell.steps - cool
            own = max(0, branch - reached) + cool
            reached = max(reached, branch)
            seconds = None
            if timing:
                start = timing["start"] if i == 0 else 0.0
                seconds = own * timing["step"] + timing["evaluation"] + start
            out[cell.id] = CellCost(cell, own, own * per_step, memory, seconds)
    return out


def item_bytes(cell: Cell) -> int:
    """Of one unit of D where it lies: a token, an image with its label, one with its caption."""
    return _item_bytes(cell.shape, cell.unit)


@lru_cache(maxsize=4096)
def _item_bytes(shape: Shape, unit: Unit) -> int:
    dims = shape.to_dict()
    if unit == "token":
        return 1 if dims["vocab"] <= 256 else 2
    image = dims["image"] ** 2 * dims["channels"]
    return int(image + 4 if unit == "image" else image + 4 * (2 + dims["context"]))


def by_length(
    cells: Iterable[Cell], known: Mapping[str, CellCost]
) -> tuple[list[list[Cell]], list[float]]:
    """Trunks, longest first, and the cost of each (seconds where calibrated, else FLOPs)."""
    weighed = []
    for group in trunks(cells).values():
        seconds = [known[c.id].seconds for c in group]
        weight = (
            sum(s for s in seconds if s is not None)
            if None not in seconds
            else sum(known[c.id].flops for c in group)
        )
        weighed.append((float(weight), group))
    weighed.sort(key=lambda pair: -pair[0])
    return [group for _, group in weighed], [weight for weight, _ in weighed]
