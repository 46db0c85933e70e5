"""What of a study's plan runs now, and what is left: cells, time, cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Running:
    """A claimed trunk: how far its work is. alive: whether its holder still is, as far as one look
    tells; told_seconds: since it last told, by this machine's clock. steps: of its longest cell."""

    trunk: str
    alive: bool
    host: str
    process: int | None
    cell: str | None
    step: int | None
    steps: int | None
    loss: float | None
    steps_per_second: float | None
    told_seconds: float | None


@dataclass(frozen=True)
class Left:
    """What is still to be trained, failed cells among it.

    seconds: of all of it, one after another, as predicted and times `correction`: measured over
    predicted seconds so far (of the steps that run now, while no cell is finished); None where
    nothing was predicted. wall_seconds: by as many workers as run now. device_seconds: by all
    devices.
    """

    cells: int
    seconds: float | None
    correction: float
    workers: int
    wall_seconds: float | None
    device_seconds: float | None
    price: float | None = None  # of one device for an hour

    @property
    def cost(self) -> float | None:
        if self.price is None or self.device_seconds is None:
            return None
        return self.price * self.device_seconds / 3600

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cost": self.cost}


class Plan:
    """The planned cells: their trunk, length, predicted seconds and devices, where they are known
    (studies of older versions have no plan.parquet). rows: of plan.parquet."""

    def __init__(self, runs: list[str], rows: pa.Table | None) -> None:
        self.runs, self.rows = runs, rows
        columns = ("run", "trunk", "steps", "seconds", "devices")
        known = [] if rows is None else zip(*(rows[c].to_pylist() for c in columns), strict=True)
        self.facts = {run: rest for run, *rest in known}
        self.by_trunk: dict[str, list[str]] = defaultdict(list)
        for run in runs:
            if run in self.facts:
                self.by_trunk[self.facts[run][0]].append(run)
        for group in self.by_trunk.values():
            group.sort(key=lambda run: self.facts[run][1])

    def of_role(self, role: str) -> list[dict[str, Any]]:
        """The rows of one role's cells."""
        if self.rows is None:
            return []
        own = self.rows.filter(pc.equal(self.rows["role"], role)).to_pylist()
        there = set(self.runs)
        return [row for row in own if row["run"] in there]

    def longest(self, trunk: str) -> dict[str, Any]:
        """The row of a trunk's longest cell; nothing where that is not known."""
        if self.rows is None or not (group := self.by_trunk.get(trunk)):
            return {}
        own = self.rows.filter(pc.equal(self.rows["run"], group[-1]))
        return dict(own.to_pylist()[0])

    def seconds(self, run: str) -> float | None:
        return self.facts[run][2] if run in self.facts else None

    def steps(self, trunk: str) -> int | None:
        """Of the trunk's longest cell."""
        group = self.by_trunk.get(trunk)
        return self.facts[group[-1]][1] if group else None


def to_train(run: str, status: Mapping[str, str]) -> bool:
    """Whether a cell has no record, or that of a failure, which may be well another time."""
    return status.get(run, "failed") == "failed"


def left_of(
    plan: Plan,
    rows: pa.Table,
    status: Mapping[str, str],
    running: Iterable[Running],
    price: float | None,
) -> Left:
    """What is left of a plan, by the records and by what runs now."""
    cells = [run for run in plan.runs if to_train(run, status)]
    alive = [one for one in running if one.alive]
    correction = _correction(rows) or _pace(alive, plan) or 1.0
    nothing = Left(len(cells), None, correction, len(alive), None, None, price)
    if any(plan.seconds(run) is None for run in cells):
        return nothing
    trunks: dict[str, float] = defaultdict(float)
    devices: dict[str, int] = {}
    for run in cells:
        trunk, _, seconds, count = plan.facts[run]
        trunks[trunk] += correction * seconds
        devices[trunk] = count
    for one in alive:
        if one.step and one.steps and one.trunk in trunks:
            whole = sum(plan.seconds(run) or 0.0 for run in plan.by_trunk[one.trunk])
            ahead = correction * whole * max(0.0, 1 - one.step / one.steps)
            trunks[one.trunk] = min(trunks[one.trunk], ahead)
    total, longest = sum(trunks.values()), max(trunks.values(), default=0.0)
    return Left(
        cells=len(cells),
        seconds=total,
        correction=correction,
        workers=len(alive),
        wall_seconds=max(total / len(alive), longest) if alive else None,
        device_seconds=sum(seconds * devices[trunk] for trunk, seconds in trunks.items()),
        price=price,
    )


def _pace(running: Iterable[Running], plan: Plan) -> float | None:
    """Measured over predicted seconds of a step, of what runs, while nothing is finished."""
    ratios = []
    for one in running:
        whole = sum(plan.seconds(run) or 0.0 for run in plan.by_trunk.get(one.trunk, []))
        if one.steps_per_second and one.steps and whole:
            ratios.append(one.steps / one.steps_per_second / whole)
    return sum(ratios) / len(ratios) if ratios else None


def _correction(rows: pa.Table) -> float | None:
    """Measured over predicted seconds, of the cells that have both."""
    measured, predicted = numbers(rows, "seconds"), numbers(rows, "predicted_seconds")
    both = pc.and_(pc.greater(measured, 0), pc.greater(predicted, 0))
    whole = pc.sum(predicted.filter(both)).as_py()
    return pc.sum(measured.filter(both)).as_py() / whole if whole else None


def numbers(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of records as floats."""
    return rows[name].cast(pa.float64())
