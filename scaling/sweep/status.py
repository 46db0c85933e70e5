"""How a study stands, from its folder alone: what is done, what runs, what is left, at which cost.

Nothing is written here, so that anybody may look on: at 100,000 cells in seconds, by the index.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from scaling import files
from scaling.sweep import index, planned
from scaling.sweep.claims import LEASE_SECONDS, Claims, Seen
from scaling.sweep.health import STATUSES, WELL, told
from scaling.sweep.quarantine import Quarantined, quarantined
from scaling.sweep.records import read_json
from scaling.sweep.store import Store

if TYPE_CHECKING:
    from scaling.files import Place

WAITING = ("running", "stale", "quarantined", "planned")  # of cells without a record


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


@dataclass(frozen=True)
class Status:
    """counts: planned cells by status; other_cells: those that have a record, and are not (or no
    longer) in the grid. ill: not well, or something was found; facts and findings. spent_seconds:
    of training, measured."""

    name: str
    planned: int
    counts: Mapping[str, int]
    other_cells: int
    running: tuple[Running, ...]
    ill: tuple[dict[str, Any], ...]
    quarantined: tuple[Quarantined, ...]
    spent_seconds: float
    left: Left

    def __str__(self) -> str:
        cells = f"{self.planned:,} cell{'s' * (self.planned != 1)}"
        parts = [f"{count:,} {status}" for status, count in self.counts.items() if count]
        return f"{cells}: {', '.join(parts)}" if parts else cells

    def to_dict(self) -> dict[str, Any]:
        return {
            "study": self.name,
            "planned": self.planned,
            "cells": dict(self.counts),
            "other_cells": self.other_cells,
            "running": [asdict(one) for one in self.running],
            "ill": list(self.ill),
            "quarantined": [one.to_dict() for one in self.quarantined],
            "spent_seconds": self.spent_seconds,
            "left": self.left.to_dict(),
        }


def status_of(folder: Place | str, price: float | None = None) -> Status:
    """The status of a study's folder or URL. price: of one device for an hour, for the cost left.

    Raises InputError where there is no study.
    """
    store = Store(folder)
    store.must_be()
    facts = read_json(store.folder / "study.json")
    found = index.look(store.folder)
    plan = _Plan(store.folder, [str(run) for run in facts.get("cells", [])])
    rows = found.of(plan.runs)
    status = found.statuses(plan.runs)
    aside = [*quarantined(store.folder), *_still_there(found.damaged)]
    claims = _claims(store.folder)
    running = tuple(_running(seen, alive, age, plan, status) for seen, alive, age in claims)
    waiting = _waiting(plan, status, running, {one.id for one in aside})
    counts = Counter(status.values()) + Counter(waiting.values())
    order = (*STATUSES, *WAITING)
    return Status(
        name=str(facts.get("name", "")),
        planned=len(plan.runs),
        counts={name: counts.pop(name, 0) for name in order} | counts,
        other_cells=len(found.rows) - len(rows),
        running=running,
        ill=tuple(_ill(rows)),
        quarantined=tuple(aside),
        spent_seconds=float(pc.sum(_numbers(rows, "seconds")).as_py() or 0.0),
        left=_left(plan, rows, status, running, price),
    )


class _Plan:
    """The planned cells: their trunk, length, predicted seconds and devices, where they are known
    (studies of older versions have no plan.parquet)."""

    def __init__(self, folder: Place, runs: list[str]) -> None:
        self.runs = runs
        rows = planned.load(folder)
        columns = ("run", "trunk", "steps", "seconds", "devices")
        known = [] if rows is None else zip(*(rows[c].to_pylist() for c in columns), strict=True)
        self.facts = {run: rest for run, *rest in known}
        self.by_trunk: dict[str, list[str]] = defaultdict(list)
        for run in runs:
            if run in self.facts:
                self.by_trunk[self.facts[run][0]].append(run)
        for group in self.by_trunk.values():
            group.sort(key=lambda run: self.facts[run][1])

    def seconds(self, run: str) -> float | None:
        return self.facts[run][2] if run in self.facts else None

    def steps(self, trunk: str) -> int | None:
        """Of the trunk's longest cell."""
        group = self.by_trunk.get(trunk)
        return self.facts[group[-1]][1] if group else None


def _claims(folder: Place) -> list[tuple[Seen, bool, float | None]]:
    """Claims, whether their holder lives, and how long ago they told."""
    claims, found = Claims(folder), []
    for trunk, seen in sorted(claims.all().items()):
        age = files.age(claims.folder / f"{trunk}.{seen.number}")
        # One look can't tell of a holder elsewhere by its beat; clocks are good enough for a word.
        alive = not claims.is_dead(seen) and (age is None or age < LEASE_SECONDS)
        found.append((seen, alive, age))
    return found


def _running(
    seen: Seen, alive: bool, age: float | None, plan: _Plan, status: Mapping[str, str]
) -> Running:
    told, holder = seen.facts, seen.holder
    group = plan.by_trunk.get(seen.trunk, [])
    return Running(
        trunk=seen.trunk,
        alive=alive,
        host=str(holder.get("host", "")),
        process=holder.get("pid"),
        # Cells of a trunk are trained one after another, the shortest first.
        cell=next((run for run in group if _to_train(run, status)), None),
        step=told.get("step"),
        steps=plan.steps(seen.trunk),
        loss=told.get("loss"),
        steps_per_second=told.get("steps_per_second"),
        told_seconds=age,
    )


def _to_train(run: str, status: Mapping[str, str]) -> bool:
    return status.get(run, "failed") == "failed"


def _waiting(
    plan: _Plan, status: Mapping[str, str], running: Iterable[Running], aside: set[str]
) -> dict[str, str]:
    """The status of planned cells without a record."""
    at_work = {one.cell: "running" if one.alive else "stale" for one in running}
    return {
        run: at_work.get(run) or ("quarantined" if run in aside else "planned")
        for run in plan.runs
        if run not in status
    }


def _ill(rows: pa.Table) -> list[dict[str, Any]]:
    """As `Health` tells of them."""
    findings = rows[index.FINDINGS].to_pylist()
    ill = [
        number
        for number, (status, found) in enumerate(
            zip(rows["status"].to_pylist(), findings, strict=True)
        )
        if status not in WELL or found
    ]
    records = rows.take(pa.array(ill, pa.int64())).to_pylist()
    return [told({**r, index.FINDINGS: json.loads(r[index.FINDINGS] or "[]")}) for r in records]


def _still_there(damaged: Mapping[str, Any]) -> list[Quarantined]:
    """What is damaged, and will be moved away by the next run."""
    return [
        Quarantined(run, f"cells/{run}", "", f"{error.path.name}: {error.why}", "")
        for run, error in damaged.items()
    ]


def _left(
    plan: _Plan,
    rows: pa.Table,
    status: Mapping[str, str],
    running: Iterable[Running],
    price: float | None,
) -> Left:
    cells = [run for run in plan.runs if _to_train(run, status)]
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


def _pace(running: Iterable[Running], plan: _Plan) -> float | None:
    """Measured over predicted seconds of a step, of what runs, while nothing is finished."""
    ratios = []
    for one in running:
        whole = sum(plan.seconds(run) or 0.0 for run in plan.by_trunk.get(one.trunk, []))
        if one.steps_per_second and one.steps and whole:
            ratios.append(one.steps / one.steps_per_second / whole)
    return sum(ratios) / len(ratios) if ratios else None


def _correction(rows: pa.Table) -> float | None:
    """Measured over predicted seconds, of the cells that have both."""
    measured, predicted = _numbers(rows, "seconds"), _numbers(rows, "predicted_seconds")
    both = pc.and_(pc.greater(measured, 0), pc.greater(predicted, 0))
    whole = pc.sum(predicted.filter(both)).as_py()
    return pc.sum(measured.filter(both)).as_py() / whole if whole else None


def _numbers(rows: pa.Table, name: str) -> pa.ChunkedArray:
    return rows[name].cast(pa.float64())
