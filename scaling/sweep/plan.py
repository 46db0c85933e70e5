"""What a study will cost before a second of it is spent: FLOPs, memory, seconds. No JAX."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scaling.grid import Cell


@dataclass(frozen=True)
class CellCost:
    """Marginal costs: a trunk is paid by the first cell that needs each of its segments."""

    cell: Cell
    own_steps: int
    flops: int
    memory_bytes: int
    seconds: float | None  # None where this machine was not calibrated


def trunks(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells by trunk, shortest first within one."""
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda c: c.steps):
        groups.setdefault(cell.trunk, []).append(cell)
    return groups


def costs(cells: Iterable[Cell], timings: dict[str, dict[str, float]]) -> dict[str, CellCost]:
    """The cost of each cell by id; `timings` is keyed by `cell.timing_key`."""
    out = {}
    for group in trunks(cells).values():
        reached = 0
        for i, cell in enumerate(group):
            branch = cell.steps - cell.cool_steps
            own = max(0, branch - reached) + cell.cool_steps
            reached = max(reached, branch)
            timing = timings.get(cell.timing_key)
            seconds = None
            if timing:
                start = timing["start"] if i == 0 else 0.0
                seconds = own * timing["step"] + timing["evaluation"] + start
            per_step = cell.batch * cell.shape.training_flops()
            memory = cell.shape.memory_bytes(cell.batch)
            out[cell.id] = CellCost(cell, own, own * per_step, memory, seconds)
    return out


def by_length(
    cells: Iterable[Cell], known: dict[str, CellCost]
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


def makespan(weights: list[float], workers: int) -> float:
    """Wall time of trunks taken longest first by `workers` equal workers."""
    load = [0.0] * workers
    for weight in weights:
        load[load.index(min(load))] += weight
    return max(load)
