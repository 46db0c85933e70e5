"""Pilots that are chosen as their results come in: train a few, fit, design, train again.

The pilots of a grid are the candidates. A seed of them is trained; then, round by round, those that
`forecast.design` finds to narrow the forecast most for the steps that they add, until the budget is
spent, the interval at the target is as narrow as asked, or none is left. Only losses of pilots
decide: no target is trained before the forecast is written. Every choice stands in the study's
folder before it is trained, so that a run that was interrupted goes on as it would have.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from scaling import files, laws
from scaling.errors import InputError
from scaling.forecast.designs.design import Candidate, design
from scaling.forecast.ruled import Goal, Seen, at_goal
from scaling.grid import Cell, Proof
from scaling.planned import Planned
from scaling.sweep.planning.budget import Budget, Costs, Tally, rates
from scaling.sweep.planning.plan import trunks
from scaling.sweep.rounds import Round, keep, kept, seed_of
from scaling.sweep.storing.store import FORECAST, Store
from scaling.where import matches

# What is left of the budget is planned for; of that plan the cheapest are trained first, since they
# may change it: at least one, and no more than this share of what was spent before.
GROWTH = 0.5

# Trains cells; its title; trunks whose checkpoints stay.
Train = Callable[[list[Cell], str, Collection[str]], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """When to stop, and what for.

    budget: of the whole study, tuning and targets among it. width: of the 90 % interval of the loss
    at the target, as a share of it, both by the proof's rule and by the design's draws: a rule with
    few runs is sure of itself too early. compute: the target's FLOPs, by default the largest target
    cell of the grid. price: dollars of a device-hour.
    """

    budget: Budget | None = None
    width: float | None = None
    compute: float | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        if self.budget is None and self.width is None:
            raise InputError("--adaptive needs --budget or --width: when to stop")
        if self.width is not None and not 0 < self.width < 1:
            raise InputError(f"--width {self.width:g}: valid is a share of the loss, such as .02")
        if self.compute is not None and not 0 < self.compute < math.inf:
            raise InputError(f"--target-compute {self.compute:g}: valid are FLOPs above 0")


def train_pilots(
    planned: Planned, store: Store, asked: Asked, train: Train, tell: Tell
) -> list[Cell]:
    """Train pilots in rounds until what is asked is reached; returns those that are trained.

    Raises InputError for a grid whose pilots are no data of one law, without a target beyond them,
    and for a budget that the seed is over.
    """
    pilots = planned.part("pilot")
    before = [cell for cell in pilots if cell.id in store.done(pilots)]
    if files.exists(store.folder / FORECAST):
        tell("adaptive: the forecast is written, so no more pilots are trained")
        return before
    search = _Search(planned, store, asked)
    rounds = kept(store.folder)
    while True:
        number = len(search.taken)
        if number == len(rounds):
            found = search.choose(number, tell) if number else search.seed(before)
            if isinstance(found, str):
                tell(f"adaptive: {found}")
                return search.trained
            rounds = kept(store.folder)  # another driver may have chosen it meanwhile
            if number == len(rounds):
                rounds.append(found)
                keep(store.folder, rounds)
        search.take(rounds[number], train)


class _Search:
    """The rounds so far: what is trained, what that cost, and what comes next."""

    def __init__(self, planned: Planned, store: Store, asked: Asked) -> None:
        self.store, self.asked, self.rule = store, asked, planned.grid.proof
        self.pilots = _of_rule(planned.part("pilot"), self.rule.where)
        self.goal = _goal(planned, self.pilots, asked, self.rule)
        self.trained: list[Cell] = []
        self.taken: list[Round] = []
        self.flops = self.own = Tally(rates("FLOPs", {}, planned.on, None))
        self.aside = 0.0
        if (limit := asked.budget) is not None:
            if limit.unit != "FLOPs" and planned.settings.elsewhere:
                raise InputError(
                    f"--budget {limit}: executor {planned.grid.executor.name} trains elsewhere, "
                    "where nothing was timed; give FLOPs"
                )
            rate = rates(limit.unit, planned.timings, planned.on, asked.price)
            self.own = self.flops if limit.unit == "FLOPs" else Tally(rate)
            parts = [*planned.tuning, planned.part("target")]
            self.aside = sum(Costs(part, rate).total() for part in parts)

    def seed(self, before: Sequence[Cell]) -> Round:
        """The first round: more different points than the rule's law has parameters to be found."""
        free = len(laws.get(self.rule.law).params) - len(self.rule.fixed)
        known = {cell.id for cell in self.pilots}
        own = [cell for cell in before if cell.id in known]
        cells = seed_of(self.pilots, own, free + 1, self.flops.price)
        if (limit := self.asked.budget) is not None and not self._affords(cells):
            raise InputError(
                f"a budget of {limit} is too small: tuning and targets take "
                f"{limit.told(self.aside)}, and the seed of {len(cells)} pilots "
                f"{limit.told(self.own.price(cells))} more"
            )
        return self._round(cells)

    def choose(self, number: int, tell: Tell) -> Round | str:
        """The next round, or why there is none."""
        table = self.store.table(self.trained)
        table.attrs["source"] = str(self.store.folder / "table.parquet")
        seen, why = _seen(table, self.rule, self.goal)
        head = self._told(seen, why)
        ids = {cell.id for cell in self.trained}
        left = [cell for cell in self.pilots if cell.id not in ids]
        if not left:
            return f"{head}; no pilot is left"
        able = [cell for cell in left if self._affords([cell])]
        if not able:
            return f"{head}; no pilot that is left fits into the budget"
        candidates = [self._candidate(cell) for cell in able]
        amount = max(self._left(able), min(one.C for one in candidates))
        found = design(table, candidates, target=self.goal.C, budget=amount, N=self.rule.N)
        expected = [found.width_before.loss, found.width_after.loss]
        head += f", {expected[0]:.2%} by the design's draws"
        if (width := self.asked.width) is not None:
            if seen is not None and max(seen.width, expected[0]) <= width:
                return f"{head}; that is as narrow as asked, {width:.2%}"
            head += f", asked {width:.2%}"
        if not found.chosen:
            return f"{head}; no pilot that is left would narrow it"
        cells: list[Cell] = []
        for at in sorted(found.chosen, key=lambda at: candidates[at].C):
            more = [*cells, able[at]]
            if cells and self.flops.price(more) > GROWTH * self.flops.spent:
                break
            if self._affords(more):
                cells = more
        tell(
            f"adaptive, round {number}: {head}; next {len(cells)} of {len(found.chosen)} planned, "
            f"after all of which the design expects {expected[1]:.2%}"
        )
        return self._round(cells, table, seen, expected)

    def take(self, taken: Round, train: Train) -> None:
        """Train a round, with what its trunks have; cells that left the grid are passed over."""
        by_id = {cell.id: cell for cell in self.pilots}
        cells = [by_id[run] for run in taken.cells if run in by_id]
        for tally in {self.flops, self.own}:
            tally.pay(cells)
        number = len(self.taken)
        self.taken.append(taken)
        self.trained += cells
        touched = {cell.trunk for cell in cells}
        together = [cell for cell in self.trained if cell.trunk in touched]
        train(together, f"round {number}" if number else "seed", self._unfinished(cells))

    def _unfinished(self, cells: Sequence[Cell]) -> set[str]:
        """The trunks of these cells that a longer one may yet go on from."""
        ends = {trunk: group[-1].steps for trunk, group in trunks(cells).items()}
        ids = {cell.id for cell in self.trained}
        left = [cell for cell in self.pilots if cell.id not in ids]
        return {cell.trunk for cell in left if cell.steps > ends.get(cell.trunk, math.inf)}

    def _round(
        self,
        cells: Sequence[Cell],
        table: pd.DataFrame | None = None,
        seen: Seen | None = None,
        expected: list[float] | None = None,
    ) -> Round:
        return Round(
            cells=[cell.id for cell in cells],
            flops=self.flops.spent + self.flops.price(cells),
            target=self.goal.C,
            table_sha256=None if table is None else _sha256(table),
            seen=None if seen is None else {**asdict(seen), "width": seen.width},
            expected=expected,
        )

    def _affords(self, cells: Sequence[Cell]) -> bool:
        if self.asked.budget is None:
            return True
        return self.aside + self.own.spent + self.own.price(cells) <= self.asked.budget.amount

    def _left(self, able: Sequence[Cell]) -> float:
        """FLOPs to plan with: what is left of the budget; without one, as much again as was
        spent."""
        if (limit := self.asked.budget) is None:
            return self.flops.spent
        left = limit.amount - self.aside - self.own.spent
        return left * self.flops.price(able) / self.own.price(able)

    def _candidate(self, cell: Cell) -> Candidate:
        N = float(getattr(cell.shape, self.rule.N))
        return Candidate(N, float(cell.D), self.flops.price([cell]), cell.id)

    def _told(self, seen: Seen | None, why: str) -> str:
        spent = f"{self.flops.spent:.4g} FLOPs"
        if (limit := self.asked.budget) is not None:
            spent = f"{limit.told(self.own.spent)} of {limit}"
            spent += f" ({limit.told(self.aside)} set aside)" if self.aside else ""
        head = f"{len(self.trained)} of {len(self.pilots)} pilots trained, spent {spent}"
        if seen is None:
            return f"{head}; no interval yet: {why}"
        return (
            f"{head}; loss at C = {self.goal.C:.4g}: {seen.loss:.4g}, 90 % interval "
            f"{seen.q05:.4g} to {seen.q95:.4g}, {seen.width:.2%} wide"
        )


def _of_rule(pilots: Sequence[Cell], where: str | None) -> list[Cell]:
    """The pilots whose rows the rule's fit would see. Raises InputError unless these are data of
    one law."""
    if where is not None:
        fits = matches(pd.DataFrame([cell.facts() for cell in pilots]), where)
        pilots = [cell for cell, fit in zip(pilots, fits, strict=True) if fit]
    families = sorted({cell.family for cell in pilots})
    if len(families) > 1:
        raise InputError(
            f"--adaptive: pilots of {len(families)} families ({', '.join(families)}): each has a "
            "law of its own; give each a grid of its own"
        )
    runs = {(cell.shape, cell.D, cell.seed) for cell in pilots}
    if len(runs) < len(pilots) or len({cell.D_unique for cell in pilots}) > 1:
        raise InputError(
            "--adaptive: pilots differ in more than size, length and seed (rate, batch, unique "
            "data): what is designed is a fit of a law of N and D to one recipe"
        )
    return list(pilots)


def _goal(planned: Planned, pilots: Sequence[Cell], asked: Asked, rule: Proof) -> Goal:
    """What the pilots are trained for."""
    targets = planned.part("target")
    if asked.compute is not None:
        goal = Goal(asked.compute)
    elif targets:
        far = max(targets, key=lambda cell: cell.C)
        goal = Goal(float(far.C), float(getattr(far.shape, rule.N)), float(far.D))
    else:
        raise InputError("--adaptive: no target; give --target-compute, or targets in the grid")
    largest = max((cell.C for cell in pilots), default=0)
    if largest >= goal.C:
        raise InputError(
            f"target compute = {goal.C:.4g}: a pilot has {largest:.4g} FLOPs, so nothing would be "
            "extrapolated; valid is more"
        )
    return goal


def _seen(table: pd.DataFrame, rule: Proof, goal: Goal) -> tuple[Seen | None, str]:
    """What the rule says of the goal, or why it can't say anything yet."""
    try:
        seen = at_goal(table, rule, goal)
    except InputError as error:
        return None, str(error)
    if not all(map(math.isfinite, (seen.loss, seen.q05, seen.q95))):
        return None, "the fit runs away"
    return seen, ""


def _sha256(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
