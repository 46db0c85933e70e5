"""Trims a study to a budget: the pilots that inform the forecast least go first. No JAX.

One rule: the next cell to go is the one whose loss raises the variance of the forecast least (see
`leverage`), as a share of it, for each unit of cost that it saves. So runs between others go before
a ladder's ends, and dear runs before cheap ones that say as much. Targets stay. The order doesn't
depend on the budget: a larger one keeps all that a smaller one keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

import numpy as np

from scaling.amounts import money
from scaling.devices import Platform
from scaling.errors import InputError
from scaling.grid import Cell
from scaling.sweep.planning.estimate import HOUR
from scaling.sweep.planning.leverage import Leverage
from scaling.sweep.planning.plan import trunks
from scaling.sweep.planning.schedule import width

Unit = Literal["FLOPs", "h", "usd"]
# Variances are worked out again after each that goes; of thousands, after one in so many points and
# one in so many runs.
POINTS, RUNS = 20, 200


@dataclass(frozen=True)
class Budget:
    """An amount of FLOPs, device-hours or dollars."""

    amount: float
    unit: Unit

    def __str__(self) -> str:
        return self.told(self.amount)

    def told(self, amount: float) -> str:
        """An amount in this budget's unit."""
        if self.unit == "usd":
            return money(amount)
        return f"{amount:.4g} {'FLOPs' if self.unit == 'FLOPs' else 'device-hours'}"


@dataclass(frozen=True)
class Rate:
    """What a trunk costs: each of its steps, each of its cells beside them (an evaluation), and its
    start."""

    step: float
    each: float = 0.0
    start: float = 0.0


def rates(
    unit: Unit, timings: Mapping[str, Mapping[str, float]], on: Platform, price: float | None
) -> Callable[[Cell], Rate]:
    """What a cell's trunk costs in a budget's unit. price: dollars of a device-hour.

    Raises InputError for hours where nothing was timed, and for dollars without a price.
    """
    if unit == "FLOPs":
        return lambda cell: Rate(cell.batch * cell.shape.training_flops())
    if not timings:
        raise InputError(
            "a budget of hours or dollars needs times: calibrate here (--calibrate, with JAX), or "
            "name a device of the catalogue with --device"
        )
    if unit == "usd" and price is None:
        raise InputError("a budget of dollars needs --price, dollars of a device-hour")
    hour = (price if unit == "usd" and price is not None else 1.0) / HOUR

    def of_time(cell: Cell) -> Rate:
        timing, each = timings[cell.timing_key], width(cell, on) * hour
        return Rate(each * timing["step"], each * timing["evaluation"], each * timing["start"])

    return of_time


@dataclass(frozen=True)
class Trimmed:
    """kept: in the plan's order; dropped: in the order of their going. In the budget's unit, `cost`
    is of what is kept and `before` of everything."""

    kept: list[Cell]
    dropped: list[Cell]
    cost: float
    before: float


def trim(
    cells: Sequence[Cell],
    rate: Callable[[Cell], Rate],
    budget: Budget,
    *,
    points: int,
    first: float = 0.0,
) -> Trimmed:
    """The study within the budget. points: how many different pilots, whatever their seeds, each
    family and recipe keeps at least; first: what is paid before any of `cells`.

    Raises InputError, with the smallest possible budget, where even that is over it.
    """
    costs = Costs(cells, rate)
    before, dropped = first + costs.total(), []
    cost = before
    if cost > budget.amount:
        for cell, left in _going(cells, Leverage(cells, points), costs):
            dropped.append(cell)
            cost = first + left
            if cost <= budget.amount:
                break
        else:
            goals = [cell for cell in cells if cell.role == "target"]
            pilots = len(cells) - len(dropped) - len(goals)
            told = f", and {budget.told(first)} before" if first else ""
            raise InputError(
                f"a budget of {budget} is below the smallest study by this grid, of "
                f"{budget.told(cost)}: {pilots} pilots, and {len(goals)} targets of "
                f"{budget.told(Costs(goals, rate).total())}{told}"
            )
    gone = {cell.id for cell in dropped}
    return Trimmed([c for c in cells if c.id not in gone], dropped, cost, before)


class Costs:
    """What cells cost together, as trunks lose cells: each segment of a trunk is paid once."""

    def __init__(self, cells: Sequence[Cell], rate: Callable[[Cell], Rate]) -> None:
        self._left = trunks(cells)
        self._rates = {trunk: rate(group[0]) for trunk, group in self._left.items()}

    def total(self) -> float:
        return sum(
            self._rates[trunk].start
            + len(group) * self._rates[trunk].each
            + self._rates[trunk].step * (_branch(group[-1]) + sum(c.cool_steps for c in group))
            for trunk, group in self._left.items()
            if group
        )

    def saving(self, cell: Cell) -> float:
        """What the study costs less without this cell; only a trunk's longest shortens it."""
        group, rate = self._left[cell.trunk], self._rates[cell.trunk]
        saved = rate.each + rate.step * cell.cool_steps
        if cell is group[-1]:
            before = _branch(group[-2]) if len(group) > 1 else 0
            saved += rate.step * (_branch(cell) - before)
            saved += rate.start if len(group) == 1 else 0.0
        return saved

    def remove(self, cell: Cell) -> Cell | None:
        """Take it out; the cell that is now the longest of its trunk."""
        group = self._left[cell.trunk]
        del group[next(at for at, other in enumerate(group) if other is cell)]
        return group[-1] if group else None


class Tally:
    """What cells cost that are trained in rounds: a trunk stays where its last round left it, and a
    cell that branches off before that trains it anew."""

    def __init__(self, rate: Callable[[Cell], Rate]) -> None:
        self._rate = rate
        self._reached: dict[str, int] = {}
        self.spent = 0.0

    def price(self, cells: Sequence[Cell]) -> float:
        """Of a next round of these cells."""
        return sum(self._segment(group) for group in trunks(cells).values())

    def pay(self, cells: Sequence[Cell]) -> None:
        """They are trained."""
        self.spent += self.price(cells)
        for trunk, group in trunks(cells).items():
            self._reached[trunk] = _branch(group[-1])

    def _segment(self, group: Sequence[Cell]) -> float:
        rate, reached = self._rate(group[0]), self._reached.get(group[0].trunk, 0)
        begins = reached if reached <= _branch(group[0]) else 0
        steps = _branch(group[-1]) - begins + sum(cell.cool_steps for cell in group)
        return rate.start + len(group) * rate.each + rate.step * steps


def _going(cells: Sequence[Cell], leverage: Leverage, costs: Costs) -> Iterator[tuple[Cell, float]]:
    """Pilots in the order of their going, and what is left to pay after each."""
    # Of each point, its runs: dearest first, of equal ones the last of the plan.
    runs: list[list[tuple[float, int, Cell]]] = [[] for _ in range(leverage.size)]
    number = {cell.id: -at for at, cell in enumerate(cells)}
    savings = np.zeros(leverage.size)
    gone: set[str] = set()

    def enter(cell: Cell) -> None:
        at = leverage.point[cell.id]
        heappush(runs[at], (-costs.saving(cell), number[cell.id], cell))
        savings[at] = -runs[at][0][0]

    def dearest(at: int) -> Cell | None:
        """The run that goes first of a point; entries of before a change are passed over."""
        while runs[at]:
            saving, _, cell = runs[at][0]
            if cell.id not in gone and -saving == costs.saving(cell):
                savings[at] = -saving
                return cell
            heappop(runs[at])
        savings[at] = 0.0
        return None

    for cell in cells:
        if cell.role == "pilot":
            enter(cell)
    total = costs.total()
    while True:
        with np.errstate(divide="ignore"):
            scores = np.where(savings > 0, leverage.rises() / savings, np.inf)
        able = int(np.isfinite(scores).sum())
        if not able:
            return
        left = len(leverage.point) - len(gone)
        for at in np.argsort(scores, kind="stable")[: max(1, min(able // POINTS, left // RUNS))]:
            goes = dearest(int(at))
            if goes is None or not leverage.may_go(int(at)):
                continue  # what went before it in this round changed it
            total -= costs.saving(goes)
            gone.add(goes.id)
            leverage.remove(int(at))
            longest = costs.remove(goes)
            dearest(int(at))
            if longest is not None and longest.role == "pilot":
                enter(longest)
            yield goes, total


def _branch(cell: Cell) -> int:
    """Steps of the trunk behind which its cooldown begins."""
    return cell.steps - cell.cool_steps
