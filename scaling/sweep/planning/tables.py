"""A plan as tables: its parts, and its cells or rungs. No JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from scaling.amounts import money, size, span
from scaling.grid import Cell
from scaling.sweep.planning.estimate import HOUR, Part
from scaling.sweep.planning.plan import CellCost

MANY = 200  # cells, from which on a line tells of a rung


def of_parts(parts: Sequence[Part]) -> Table:
    """Pilots, targets and the study; one part alone is the study."""
    table = _table(("part",), ("cells", "trunks", "FLOPs", "device-hours", "time", "at least",
                               "memory a cell", "storage", "dollars"))  # fmt: skip
    for part in parts if len(parts) > 2 else parts[-1:]:
        hours = None if part.device_seconds is None else part.device_seconds / HOUR
        table.add_row(
            part.name,
            f"{part.cells:,}",
            f"{part.trunks:,}",
            f"{part.flops:.3g}",
            _or_dash(hours, lambda h: f"{h:,.3g}" if h < 1000 else f"{h:,.0f}"),
            _or_dash(part.wall_seconds, span),
            _or_dash(part.bound_seconds, span),
            size(part.memory_bytes),
            size(part.storage.total),
            _or_dash(part.dollars, money),
        )
    return table


def by_cell(cells: Sequence[Cell], known: Mapping[str, CellCost]) -> Table:
    """A line a cell."""
    units = f"D ({cells[0].unit}s)"
    table = _table(
        ("cell", "role", "family"),
        ("N", "N_total", units, "D/N", "seed", "C (FLOPs)", "to spend", "memory", "seconds"),
    )
    for cell in cells:
        cost = known[cell.id]
        table.add_row(
            cell.id,
            cell.role,
            cell.family,
            f"{cell.shape.N:,}",
            f"{cell.shape.N_total:,}",
            f"{cell.D:,}",
            f"{cell.D / cell.shape.N:.3g}",
            str(cell.seed),
            f"{cell.C:.2e}",
            f"{cost.flops:.2e}",
            size(cost.memory_bytes),
            _or_dash(cost.seconds, lambda seconds: f"{seconds:.1f}"),
        )
    return table


def by_rung(cells: Sequence[Cell], known: Mapping[str, CellCost]) -> Table:
    """A line for all cells of one role, family and size."""
    rungs: dict[Any, list[Cell]] = {}
    for cell in cells:
        rungs.setdefault((cell.role, cell.family, cell.shape.N, cell.shape.N_total), []).append(
            cell
        )
    units = f"D ({cells[0].unit}s)"
    table = _table(
        ("role", "family"),
        ("N", "N_total", "cells", units, "seeds", "to spend", "memory", "seconds"),
    )
    for (role, family, n, n_total), members in rungs.items():
        of_rung = [known[cell.id] for cell in members]
        seconds = [cost.seconds for cost in of_rung if cost.seconds is not None]
        lengths = sorted({cell.D for cell in members})
        table.add_row(
            role,
            family,
            f"{n:,}",
            f"{n_total:,}",
            f"{len(members):,}",
            " to ".join(f"{length:,}" for length in dict.fromkeys((lengths[0], lengths[-1]))),
            str(len({cell.seed for cell in members})),
            f"{sum(cost.flops for cost in of_rung):.2e}",
            size(max(cost.memory_bytes for cost in of_rung)),
            f"{sum(seconds):,.1f}" if len(seconds) == len(of_rung) else "-",
        )
    return table


def _or_dash(value: float | None, told: Callable[[float], str]) -> str:
    return "-" if value is None else told(value)


def _table(left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
