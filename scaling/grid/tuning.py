"""`learning_rate = "tune"`: the rung and the rounds that a rate is tuned on.

Cells of one model and one recipe (batch and transfer among it) share a rate. It is found at the
smallest size of their pilots and carried to the others by width (muP).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_high

from scaling.errors import InputError
from scaling.grid.cells import CHUNK_STEPS, Cell
from scaling.grid.rates import with_rate
from scaling.grid.spec import Tune

USUAL_FACTORS = tuple(2.0**k for k in range(-3, 4))
FEWEST = 3  # rates of a round: a parabola needs them


@dataclass(frozen=True)
class Rung:
    """What one rate is tuned on. cell: a pilot of the smallest size; lengths: steps of each round;
    rates: of the first one."""

    key: str
    cell: Cell
    lengths: tuple[int, ...]
    rates: tuple[float, ...]
    spec: Tune

    def cells(self, rates: Sequence[float], number: int) -> list[Cell]:
        """The cells of a round, rate by rate; all seeds are trained in the last."""
        last = number == len(self.lengths) - 1
        return [
            replace(
                self.cell,
                role="tuning",
                recipe=with_rate(self.cell.recipe, rate),
                steps=self.lengths[number],
                seed=seed,
                told=(),
            )
            for rate in rates
            for seed in self.spec.seeds[: None if last else 1]
        ]

    def kept(self, tried: int) -> int:
        """How many rates of so many go on."""
        return min(tried, max(FEWEST, math.ceil(self.spec.keep * tried)))


def rungs(asked: Mapping[str, Sequence[Cell]], spec: Tune) -> list[Rung]:
    """Where the rate of each group of `asked` cells is tuned.

    Raises InputError where the rate could not be carried to all sizes, or there is no pilot.
    """
    return [_rung(key, cells, spec) for key, cells in asked.items()]


def _rung(key: str, cells: Sequence[Cell], spec: Tune) -> Rung:
    pilots = [cell for cell in cells if cell.role == "pilot"]
    recipe = cells[0].recipe
    if not pilots:
        raise InputError(
            f'{cells[0].family}: learning_rate = "tune" needs pilots of the model and recipe that '
            "its targets have: a target is never trained before its forecast"
        )
    if recipe.transfer == "none" and len({cell.shape for cell in cells}) > 1:
        raise InputError(
            f'{cells[0].family}: learning_rate = "tune" tunes at the smallest size, and with '
            'transfer = "none" the best rate of others is another one (docs/rates.md): give '
            'transfer = "mup", one size, or learning_rate = "law"'
        )
    if shared := {cell.seed for cell in cells} & set(spec.seeds):
        raise InputError(
            f"[tune] seeds = {spec.seeds}: {', '.join(map(str, sorted(shared)))} is a seed of the "
            "study's own cells; tuning takes others, so that its runs are in no fit"
        )
    small = min(pilots, key=lambda cell: (cell.shape.N_total, -cell.D_unique))
    own = [cell.steps for cell in pilots if cell.shape == small.shape]
    rates = spec.rates or [recipe.learning_rate * factor for factor in USUAL_FACTORS]
    return Rung(key, small, _lengths(small, own, spec), tuple(sorted(rates)), spec)


def _lengths(cell: Cell, own: Sequence[int], spec: Tune) -> tuple[int, ...]:
    """Steps of each round, shortest first; rounds that would end in the warm-up are left out."""
    least = max(2 * CHUNK_STEPS, 2 * cell.recipe.warmup_steps)
    last = (
        median_high(own)
        if spec.budget is None
        else spec.budget / cell.batch * spec.keep ** (1 - spec.rounds)
    )
    if last < least:
        raise InputError(
            f"tuning the learning rate: {last * cell.batch:,.0f} {cell.unit}s are {last:,.0f} "
            f"steps; at least {least:,} are needed, twice the warm-up and two chunks of "
            f"{CHUNK_STEPS}: give [tune] a budget of {least * cell.batch:,} or more"
        )
    lengths = [last * spec.keep**k for k in reversed(range(spec.rounds))]
    return tuple(CHUNK_STEPS * round(steps / CHUNK_STEPS) for steps in lengths if steps >= least)
