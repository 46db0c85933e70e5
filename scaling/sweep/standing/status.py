"""How a study stands, from its folder alone: what is done, what runs, what is left, at which cost.

Nothing is written here, so that anybody may look on: at 100,000 cells in seconds, by the index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from scaling import files
from scaling.sweep.standing.health import STATUSES, WELL, told
from scaling.sweep.standing.progress import Left, Plan, Running, left_of, numbers, to_train
from scaling.sweep.storing import index, planned
from scaling.sweep.storing.claims import LEASE_SECONDS, Claims, Seen
from scaling.sweep.storing.index import Index
from scaling.sweep.storing.quarantine import Quarantined, quarantined
from scaling.sweep.storing.records import read_json
from scaling.sweep.storing.store import Store

if TYPE_CHECKING:
    from scaling.files import Place

WAITING = ("running", "stale", "quarantined", "planned")  # of cells without a record


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
    plan = Plan(planned_cells(facts), planned.load(store.folder))
    found, aside = index.look(store.folder), quarantined(store.folder)
    return standing(str(facts.get("name", "")), plan, found, Claims(store.folder), aside, price)


def planned_cells(facts: Mapping[str, Any]) -> list[str]:
    """The ids that a `study.json` lists."""
    return [str(run) for run in facts.get("cells", [])]


def standing(
    name: str,
    plan: Plan,
    found: Index,
    claims: Claims,
    aside: Iterable[Quarantined],
    price: float | None = None,
) -> Status:
    """The status, of what was read of a study and of its claims, which are read now."""
    rows = found.of(plan.runs)
    status = found.statuses(plan.runs)
    aside = (*aside, *_still_there(found.damaged))
    running = tuple(_running(seen, alive, age, plan, status) for seen, alive, age in _seen(claims))
    waiting = _waiting(plan, status, running, {one.id for one in aside})
    counts = Counter(status.values()) + Counter(waiting.values())
    order = (*STATUSES, *WAITING)
    return Status(
        name=name,
        planned=len(plan.runs),
        counts={name: counts.pop(name, 0) for name in order} | counts,
        other_cells=len(found.rows) - len(rows),
        running=running,
        ill=tuple(_ill(rows)),
        quarantined=aside,
        spent_seconds=float(pc.sum(numbers(rows, "seconds")).as_py() or 0.0),
        left=left_of(plan, rows, status, running, price),
    )


def _seen(claims: Claims) -> list[tuple[Seen, bool, float | None]]:
    """Claims, whether their holder lives, and how long ago they told."""
    found = []
    for trunk, seen in sorted(claims.all().items()):
        age = files.age(claims.folder / f"{trunk}.{seen.number}")
        # One look can't tell of a holder elsewhere by its beat; clocks are good enough for a word.
        alive = not claims.is_dead(seen) and (age is None or age < LEASE_SECONDS)
        found.append((seen, alive, age))
    return found


def _running(
    seen: Seen, alive: bool, age: float | None, plan: Plan, status: Mapping[str, str]
) -> Running:
    told, holder = seen.facts, seen.holder
    group = plan.by_trunk.get(seen.trunk, [])
    return Running(
        trunk=seen.trunk,
        alive=alive,
        host=str(holder.get("host", "")),
        process=holder.get("pid"),
        # Cells of a trunk are trained one after another, the shortest first.
        cell=next((run for run in group if to_train(run, status)), None),
        step=told.get("step"),
        steps=plan.steps(seen.trunk),
        loss=told.get("loss"),
        steps_per_second=told.get("steps_per_second"),
        told_seconds=age,
    )


def _waiting(
    plan: Plan, status: Mapping[str, str], running: Iterable[Running], aside: set[str]
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
