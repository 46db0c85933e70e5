"""When trunks run, and where: a simulated schedule, and what an executor is told of each. No JAX.

Rule: whenever devices are free, the widest trunk that fits them starts, of equal ones the longest.
A trunk is one task: its cells run one after another on the devices that its runs are spread over.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from scaling.devices import Platform
from scaling.errors import InputError
from scaling.grid import Cell
from scaling.sweep.executors.contract import Needs
from scaling.sweep.planning.plan import CellCost

# What a step takes at least, and FLOP/s of a device, where nothing was timed.
ROUGH_STEP_SECONDS = 1e-3
ROUGH_FLOPS: dict[Platform, float] = {"cpu": 1e10, "gpu": 1e13, "tpu": 1e13}


@dataclass(frozen=True)
class Task:
    """Work that holds `devices` of them for so long (seconds, or any other weight)."""

    seconds: float
    devices: int = 1


@dataclass(frozen=True)
class Schedule:
    """starts: of each task, in the order given. seconds: until the last one ends.

    bound: what no schedule beats, the longer of the work over all devices and of the longest task.
    Every schedule by the rule takes at most twice that (no two moments that lie a longest task
    apart leave half of the devices free, or what started later would have started then); where all
    tasks take one device, at most 4/3 - 1/(3 K) of the best there is on K (Graham 1969).
    """

    starts: list[float]
    seconds: float
    bound: float

    @property
    def over_bound(self) -> float:
        """How far above the bound it ends, as a share of it."""
        return self.seconds / self.bound - 1 if self.bound else 0.0


def schedule(tasks: Sequence[Task], devices: int) -> Schedule:
    """The tasks on so many devices, by the rule. Raises InputError where one needs more."""
    widest = max((task.devices for task in tasks), default=1)
    if widest > devices:
        raise InputError(f"a run takes {widest} devices together, and there are {devices}")
    waiting: dict[int, deque[int]] = defaultdict(deque)  # by width, longest first
    for at in sorted(range(len(tasks)), key=lambda at: -tasks[at].seconds):
        waiting[tasks[at].devices].append(at)
    widths = sorted(waiting, reverse=True)
    starts = [0.0] * len(tasks)
    running: list[tuple[float, int]] = []  # when which number of devices is free again
    now, free = 0.0, devices
    while widths:
        fitting = next((width for width in widths if width <= free), None)
        if fitting is None:
            now, back = heappop(running)
            free += back
            continue
        task = waiting[fitting].popleft()
        if not waiting[fitting]:
            widths.remove(fitting)
        starts[task] = now
        free -= fitting
        heappush(running, (now + tasks[task].seconds, fitting))
    return Schedule(
        starts,
        max((end for end, _ in running), default=0.0),
        max(
            sum(task.seconds * task.devices for task in tasks) / devices,
            max((task.seconds for task in tasks), default=0.0),
        ),
    )


def width(cell: Cell, on: Platform) -> int:
    """Devices that a run holds. Those that a CPU simulates are all in one process of it."""
    return 1 if on == "cpu" else cell.devices.count


def tasks_of(
    groups: Iterable[Sequence[Cell]], weights: Iterable[float], on: Platform
) -> list[Task]:
    """A task of each group of cells (of one trunk) and its weight."""
    return [
        Task(weight, width(group[0], on)) for group, weight in zip(groups, weights, strict=True)
    ]


def roughly(cost: CellCost, platform: Platform) -> float:
    """Seconds; counted where nothing was timed, enough to tell short work from long."""
    if cost.seconds is not None:
        return cost.seconds
    return cost.own_steps * ROUGH_STEP_SECONDS + cost.flops / ROUGH_FLOPS[platform]


def needs(cell: Cell, cost: CellCost) -> Needs:
    """What an executor is told of a cell's run: each of its hosts holds as many of its devices."""
    return Needs(
        devices=cell.devices.count // cell.devices.hosts,
        processes=cell.devices.hosts,
        seconds=cost.seconds,
        memory_bytes=cost.memory_bytes,
    )
