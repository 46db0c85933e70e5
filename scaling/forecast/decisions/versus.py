"""Which of two recipes wins at a given scale: how sure that is, and what it is worth in compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.forecast.decisions.exchange import STEPS, Exchange
from scaling.forecast.decisions.groups import Groups, paired
from scaling.forecast.interval import Interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Versus:
    """Two groups at one C, each at its own best N and D; or both at one N and D.

    ahead: has the lower loss in most draws; behind: the other. C: None at a fixed `place`, N and D.
    chance: share of draws in which `ahead` has the lower loss. lower: by how much, in the table's
    unit of loss (below 0 where the estimate says otherwise). needs: the compute that `ahead` needs
    for the loss of `behind`, as a share of what that spends: on its own frontier, or at the fixed N
    with fewer D; 0 where any compute would do, infinite where none does. decades: by group, log10
    of the compute over its largest run: above 0 it is extrapolated. joint: whether runs were drawn
    in pairs.
    """

    ahead: str
    behind: str
    C: float | None
    place: tuple[float, float] | None
    chance: float
    lower: Interval
    needs: Interval
    decades: Mapping[str, float]
    joint: bool

    @property
    def where(self) -> str:
        if self.place is None:
            return f"at C = {self.C:.4g}"
        N, D = self.place
        return f"at N = {N:.4g}, D = {D:.4g}"

    @property
    def reach(self) -> str:
        """How far beyond each group's runs this is, in words."""
        out = [f"{value:.2g} decades beyond the largest run of {name}"
               for name, value in self.decades.items() if value > 0]  # fmt: skip
        return f"extrapolated: {' and '.join(out)}" if out else "within the compute of both"

    def __str__(self) -> str:
        of = "compute" if self.place is None else "D"
        but = ", though not by the estimate" if self.lower.point < 0 else ""
        return (
            f"{self.where}: {self.ahead} beats {self.behind} in {self.chance:.1%} of the draws"
            f"{but}; its loss is lower by {self.lower}, and {self.behind}'s loss takes it "
            f"{self.needs} times {self.behind}'s {of} ({self.reach})"
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "place": None if self.place is None else [*self.place]}


def at_compute(found: Groups, compute: Sequence[float]) -> list[Versus]:
    """Every pair at each C, each group with its own compute-optimal N and D.

    Raises InputError for a C that is no finite number above 0, and for fits without draws.
    """
    for C in compute:
        _positive(compute=C)
    fits = paired(found)
    told = []
    for C in compute:
        sides = {name: _stacked(fitted.optimum(C * STEPS).loss) for name, fitted in fits.items()}
        decades = {name: float(np.log10(C / fitted.c_max)) for name, fitted in fits.items()}
        told += _pairs(found, sides, decades, C=C)
    return told


def at_place(found: Groups, N: float, D: float) -> list[Versus]:
    """Every pair at one N and D; less compute is then fewer D. Raises InputError as `at_compute`
    does."""
    _positive(N=N, D=D)
    fits = paired(found)
    sides = {name: _stacked(fitted.loss(N, D * STEPS)) for name, fitted in fits.items()}
    decades = {
        name: float(np.log10(fitted.cost.flops_per_token(N) * D / fitted.c_max))
        for name, fitted in fits.items()
    }
    return _pairs(found, sides, decades, place=(N, D))


def _stacked(losses: Draws) -> Exchange:
    """The estimate first, the draws below it."""
    return Exchange.of(np.concatenate([losses.point[None], losses.draws]))


def _pairs(
    found: Groups,
    sides: Mapping[str, Exchange],
    decades: Mapping[str, float],
    *,
    C: float | None = None,
    place: tuple[float, float] | None = None,
) -> list[Versus]:
    told = []
    for one, other in combinations(sides, 2):
        gap = (sides[other].here - sides[one].here)[:, 0]
        chance = _share_above(gap)
        first = chance > 0.5 or (chance == 0.5 and gap[0] >= 0)
        ahead, behind = (one, other) if first else (other, one)
        needs = np.exp(-sides[ahead].e_folds(sides[behind].here))[:, 0]
        told.append(
            Versus(
                ahead=ahead,
                behind=behind,
                C=C,
                place=place,
                chance=chance if first else 1 - chance,
                lower=_interval(gap if first else -gap),
                needs=_interval(needs),
                decades={ahead: decades[ahead], behind: decades[behind]},
                joint=found.pairing is not None,
            )
        )
    return told


def _share_above(gap: Array) -> float:
    """The share of draws in which the gap is above 0; one of exactly 0 counts half."""
    drawn = gap[1:][np.isfinite(gap[1:])]
    return float(((drawn > 0) + 0.5 * (drawn == 0)).mean())


def _interval(values: Array) -> Interval:
    """The estimate comes first. Ends are draws, so that infinite ones are not averaged; those that
    ran away say nothing."""
    low, high = np.nanquantile(values[1:], [0.05, 0.95], method="inverted_cdf")
    return Interval(float(values[0]), float(low), float(high))


def _positive(**asked: float) -> None:
    for name, value in asked.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}; must be a finite number above 0")
