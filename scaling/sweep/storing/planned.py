"""What a study plans: `plan.parquet`, a row for each cell with its facts and predicted costs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from scaling import files, parquet
from scaling.sweep.storing.columns import array

if TYPE_CHECKING:
    from scaling.files import Place
    from scaling.sweep.planning.plan import CellCost

FILE = "plan.parquet"
# What stays the same when a cell comes out as another one, by another rate, batch or recipe.
ALIKE = ("role", "family", "N", "D", "seed")
COLUMNS = (
    "run", "trunk", *ALIKE, "N_total", "C", "steps", "learning_rate", "devices", "seconds",
    "flops", "memory_bytes", "checkpoint_bytes",
)  # fmt: skip
_SHOWN = 5  # cells named of each kind of change


@dataclass(frozen=True)
class Changes:
    """How a grid's cells differ from those of before. changed: cells of the same size, tokens, seed
    and role under another id, as (before, now)."""

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed)

    def __str__(self) -> str:
        told = [
            f"{len(cells)} {kind} ({', '.join(cells[:_SHOWN])}{', ...' * (len(cells) > _SHOWN)})"
            for kind, cells in (
                ("new", self.new),
                ("gone", self.gone),
                ("changed", tuple(f"{before} is now {now}" for before, now in self.changed)),
            )
            if cells
        ]
        return f"the grid has changed: cells {'; '.join(told)}; all records are kept"


def rows_of_plan(known: Iterable[CellCost]) -> pa.Table:
    """A row for each planned cell, in the plan's order."""
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for cost in known:
        cell = cost.cell
        row = (
            cell.id, cell.trunk, cell.role, cell.family, cell.shape.N, cell.D, cell.seed,
            cell.shape.N_total, cell.C, cell.steps, cell.recipe.learning_rate, cell.devices.count,
            cost.seconds, cost.flops, cost.memory_bytes, cost.checkpoint_bytes,
        )  # fmt: skip
        for name, value in zip(COLUMNS, row, strict=True):
            found[name].append(value)
    return pa.table({name: array(values) for name, values in found.items()})


def save(root: Place, rows: pa.Table) -> None:
    out = io.BytesIO()
    pq.write_table(rows, out, write_page_checksum=True)
    files.write(root / FILE, out.getvalue())


def load(root: Place) -> pa.Table | None:
    """The plan as a driver left it; None where there is none, or a torn one."""
    try:
        raw = files.read(root / FILE)
        rows = parquet.read(io.BytesIO(raw), checked=True)
    except (FileNotFoundError, pa.ArrowException, OSError, ValueError):
        return None
    return rows if set(COLUMNS) <= set(rows.column_names) else None


def changes(before: Iterable[str], old: pa.Table | None, now: pa.Table) -> Changes:
    """before: the ids of the cells of before; old: their rows, where they are known."""
    ids, alike = now["run"].to_pylist(), _alike(now)
    planned, were = set(ids), list(before)
    known = {} if old is None else dict(zip(_alike(old), old["run"].to_pylist(), strict=True))
    gone = dict.fromkeys(run for run in were if run not in planned)
    there, new, changed = set(were), [], []
    for run, facts in zip(ids, alike, strict=True):
        if run in there:
            continue
        other = known.get(facts)
        if other in gone:
            del gone[other]
            changed.append((other, run))
        else:
            new.append(run)
    return Changes(tuple(new), tuple(gone), tuple(changed))


def _alike(rows: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in ALIKE), strict=True))
