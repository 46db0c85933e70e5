"""A grid trimmed to a budget: as few of its pilots as it must lose. No JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scaling import laws
from scaling.devices import Platform
from scaling.grid import AnyData, Cell, Grid
from scaling.grid.planning import origins
from scaling.grid.writing import only
from scaling.sweep.planning.budget import Budget, Costs, Trimmed, rates, trim


def trim_grid(
    grid: Grid,
    data: AnyData,
    cells: Sequence[Cell],
    rounds: Sequence[Sequence[Cell]],
    budget: Budget,
    *,
    timings: Mapping[str, Mapping[str, float]],
    on: Platform,
    price: float | None,
) -> tuple[Grid, Trimmed]:
    """The grid whose plan is what is kept of `cells`, within the budget.

    rounds: of tuning, which come before and are paid in any case. price: dollars of a device-hour.
    Each family keeps more different pilots than the proof's law has parameters to be found. Raises
    InputError where that, and the targets, cost more than the budget.
    """
    rate = rates(budget.unit, timings, on, price)
    free = len(laws.get(grid.proof.law).params) - len(grid.proof.fixed)
    first = sum(Costs(cells, rate).total() for cells in rounds)
    found = trim(cells, rate, budget, points=free + 1, first=first)
    kept = {cell.id for cell in found.kept}
    return only(grid, origins(grid, data, on), kept), found
