"""Looking at a study again and again: each look reads only what is new since the last.

Nothing is written, and nothing is claimed: whoever trains can't tell that anybody looks on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from scaling import files
from scaling.errors import InputError
from scaling.sweep.standing.progress import Plan
from scaling.sweep.standing.status import WAITING, Status, planned_cells, standing
from scaling.sweep.storing import index, planned
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.index import Index
from scaling.sweep.storing.quarantine import FOLDER, Quarantined, quarantined
from scaling.sweep.storing.records import read_json
from scaling.sweep.storing.store import FORECAST, GRID, MARKER

if TYPE_CHECKING:
    from scaling.files import Place

T = TypeVar("T")

# What else than cells a study's pages and fits are made of.
_BESIDE = (MARKER, GRID, planned.FILE, FORECAST, "tune.json", "adaptive.json")
# What a start leaves before it has a study.json.
_STARTED = {GRID, planned.FILE, "cells", "claims"}


@dataclass(frozen=True)
class Sight:
    """What one look saw. found: the records; version: another one once records, the plan, the grid
    or the forecast are others. status: None where no study has begun."""

    status: Status | None
    plan: Plan
    found: Index
    beside: Mapping[str, str]
    version: str

    @property
    def done(self) -> bool:
        """Whether all is trained that will be: what failed is left to another run. An adaptive
        study is done with its targets, whichever pilots it passed over."""
        status = self.status
        if status is None or any(one.alive for one in status.running):
            return False
        if {"adaptive.json", FORECAST} <= self.beside.keys():
            trained = set(self.found.rows["run"].to_pylist())
            return all(row["run"] in trained for row in self.plan.of_role("target"))
        return not any(status.counts[name] for name in WAITING)


class Looker:
    """Looks at one study, and remembers it. price: of one device for an hour.

    Raises InputError where there is no such folder, or it holds something else than a study.
    """

    def __init__(self, folder: Place | str, price: float | None = None) -> None:
        self.folder, self.price = files.folder(folder), price
        self._claims = Claims(self.folder)
        self._index: Index | None = None
        self._aside: tuple[list[str], list[Quarantined]] = ([], [])
        self._kept: dict[tuple[str, ...], tuple[Any, Any]] = {}  # what files said, by stamp
        if not files.exists(self.folder):
            raise InputError(f"{self.folder}: no such folder; a study's folder or URL is needed")
        if not files.is_folder(self.folder):
            raise InputError(f"{self.folder}: no folder; a study's folder or URL is needed")

    def look(self) -> Sight:
        beside = {name: s for name, s in files.stamps(self.folder).items() if name in _BESIDE}
        if MARKER not in beside:
            self._may_begin()
            nothing = index.Index(index.none(), {}, 0, {})
            return Sight(None, Plan([], None), nothing, beside, "")
        name, plan = self._of((MARKER, planned.FILE), beside, self._planned)
        self._index = found = index.look(self.folder, self._index)
        aside = self._quarantined()
        status = standing(name, plan, found, self._claims, aside, self.price)
        return Sight(status, plan, found, beside, _version(found, beside))

    def grid_text(self, sight: Sight) -> str:
        """The grid as it stands in the folder; empty where there is none."""
        if GRID not in sight.beside:
            return ""
        return self._of((GRID,), sight.beside, lambda: files.read(self.folder / GRID)).decode(
            errors="replace"
        )

    def _of(self, names: tuple[str, ...], stamps: Mapping[str, str], read: Callable[[], T]) -> T:
        """What these files say, read when the stamp of one is another."""
        stamp = tuple(stamps.get(name, "") for name in names)
        before = self._kept.get(names)
        if before is None or before[0] != stamp:
            self._kept[names] = before = stamp, read()
        value: T = before[1]
        return value

    def _planned(self) -> tuple[str, Plan]:
        facts = read_json(self.folder / MARKER)
        rows = planned.load(self.folder)
        return str(facts.get("name", "")), Plan(planned_cells(facts), rows)

    def _quarantined(self) -> list[Quarantined]:
        names = files.names(self.folder / FOLDER)
        if names != self._aside[0]:
            self._aside = names, quarantined(self.folder)
        return self._aside[1]

    def _may_begin(self) -> None:
        """Raise InputError for a folder of something else."""
        others = [name for name in files.names(self.folder) if name not in _STARTED]
        if others:
            raise InputError(f"{self.folder}: no study here ({MARKER} is missing)")


def _version(found: Index, beside: Mapping[str, str]) -> str:
    told = json.dumps([sorted(found.stamps.items()), sorted(beside.items())])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
