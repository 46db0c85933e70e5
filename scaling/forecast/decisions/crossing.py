"""Where the frontiers of two groups cross: the compute from which one is the better choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.decisions.groups import Groups, fit_by, interval_of, paired, thinned
from scaling.forecast.interval import Interval
from scaling.laws.law import Law
from scaling.table import FAMILY, with_loss
from scaling.units import METRICS_AS_LOSS

Array = NDArray[np.float64]

BESIDE = "top1_error"  # what is shown beside the loss, where a table has it
REACH = 1000.0  # times the largest run's compute: how far crossings are looked for
LEVEL = 0.90
_GRID = 61  # values of C: differences of frontiers are smooth in ln C
_FINER = 65  # values of C within a step of the grid, for the estimate


@dataclass(frozen=True)
class Side:
    """One group's compute-optimal run at a crossing.

    decades: log10 of C over its largest run, so that above 0 it is extrapolated; below: whether C
    is less than its least run's. inside: whether N and D both lie in the range of its runs.
    """

    N: Interval
    D: Interval
    loss: Interval
    decades: float
    below: bool
    inside: bool


@dataclass(frozen=True)
class Crossing:
    """One pair of groups: `then` is ahead (has the lower loss) at the end of the range, `first` is
    the other.

    C: where `then` passes below `first` for good, by the estimate; None where it is ahead at every
    C in `within`. q05, q95: ends of the 90 % interval of that C over draws; `open_low`, `open_high`
    say that an end lies outside the range, which then stands in its place. crosses: share of draws
    in which `then` so passes within the range; always_ahead: in which it is ahead throughout;
    behind: in which it is not ahead at the end. others: further crossings of the estimate, at less
    compute. told_apart: whether at some C in the range one is ahead in 95 % of the draws. sides: by
    group, at C.
    """

    first: str
    then: str
    within: tuple[float, float]
    C: float | None
    q05: float
    q95: float
    open_low: bool
    open_high: bool
    crosses: float
    always_ahead: float
    behind: float
    others: tuple[float, ...]
    told_apart: bool
    sides: Mapping[str, Side]

    @property
    def decades(self) -> float | None:
        """How far beyond the data of the group with less compute the crossing lies; 0 inside."""
        if self.C is None:
            return None
        return max(0.0, *(side.decades for side in self.sides.values()))

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "within": list(self.within), "decades_beyond": self.decades}

    def __str__(self) -> str:
        low, high = self.within
        parts = (
            (self.crosses, "cross so"),
            (self.always_ahead, f"have {self.then} ahead throughout"),
            (self.behind, f"have {self.first} ahead at {high:.3g}"),
        )
        told = "of the draws " + ", ".join(
            f"{share:.0%} {what}" for share, what in parts if share >= 0.005
        )
        if not self.told_apart:
            return (
                f"{self.first} and {self.then} cannot be told apart: at no C from {low:.3g} to "
                f"{high:.3g} FLOPs is one ahead in {(1 + LEVEL) / 2:.0%} of the draws ({told})"
            )
        if self.C is None:
            sure = "" if self.always_ahead >= 0.5 else "undecided, though "
            return (
                f"{self.then} and {self.first}: {sure}no crossing within {low:.3g} to {high:.3g} "
                f"FLOPs; {self.then} is ahead throughout by the estimates and in "
                f"{self.always_ahead:.0%} of the draws; in {self.behind:.0%} {self.first} is ahead "
                f"at {high:.3g}"
            )
        before = f"below {low:.3g}" if self.open_low else f"{self.q05:.3g}"
        after = f"beyond {high:.3g}" if self.open_high else f"{self.q95:.3g}"
        more = "".join(f"; the estimates also cross at {C:.3g}" for C in self.others)
        return (
            f"{self.then} passes below {self.first} at C = {self.C:.3g} FLOPs [{before}, {after}], "
            f"{self.reach}; {told}{more}"
        )

    @property
    def reach(self) -> str:
        """Whether the crossing was seen or is extrapolated, in words."""
        out = [
            f"{side.decades:.2g} decades beyond the largest run of {name}"
            for name, side in self.sides.items()
            if side.decades > 0
        ]
        out += [f"below the least run of {name}" for name, side in self.sides.items() if side.below]
        if out:
            return "extrapolated: " + " and ".join(out)
        bare = [name for name, side in self.sides.items() if not side.inside]
        if bare:
            return (
                f"at a compute that both were trained at, though its best split lies outside the N "
                f"or D of the runs of {' and '.join(bare)}"
            )
        return "inside the data of both"


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The groups of a table under one law of one measure of L, and where they cross."""

    groups: Groups
    crossings: Sequence[Crossing]


def side_by_side(
    law: Law | str, table: pd.DataFrame, by: str = FAMILY, *, reach: float = REACH, **settings: Any
) -> list[SideBySide]:
    """The table's groups by its loss and, where it has a top-1 error beside, by that.

    settings: as of `fit_by`. Raises InputError as it does for the loss; why no law of the top-1
    error could be fitted (it is 0 in some run) is told among what was refused.
    """
    found = fit_by(law, table, by, **settings)
    views = [SideBySide(found, crossings(found, reach=reach))]
    if BESIDE not in table.columns or found.kinds["L_kind"] in METRICS_AS_LOSS:
        return views
    try:
        beside = fit_by(law, with_loss(table, BESIDE), by, **settings)
    except InputError as error:
        told = replace(found, refused=(*found.refused, f"no {BESIDE} beside: {error}"))
        return [SideBySide(told, views[0].crossings)]
    return [*views, SideBySide(beside, crossings(beside, reach=reach))]


def crossings(found: Groups, *, reach: float = REACH) -> list[Crossing]:
    """Every pair's crossing, between the least compute run and `reach` times the largest.

    Raises InputError for fits without draws, and for a reach below 1.
    """
    if not (np.isfinite(reach) and reach >= 1):
        raise InputError(f"reach = {reach:g}; must be a finite number of 1 or more")
    fits = paired(found)
    low = min(fitted.c_min for fitted in fits.values())
    high = reach * max(fitted.c_max for fitted in fits.values())
    C = np.geomspace(low, high, _GRID)
    frontier = {name: fitted.optimum(C).loss for name, fitted in fits.items()}
    pairs = []
    for one, other in combinations(fits, 2):
        ahead_at_end = frontier[one].point[-1] < frontier[other].point[-1]
        first, then = (other, one) if ahead_at_end else (one, other)
        gap = np.log(frontier[then].point / frontier[first].point)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # draws that ran away
            gaps = np.log(frontier[then].draws / frontier[first].draws)
        pairs.append(_crossing(fits[first], fits[then], first, then, np.log(C), gap, gaps))
    return pairs


def _crossing(
    early: Fit, late: Fit, first: str, then: str, c: Array, gap: Array, gaps: Array
) -> Crossing:
    """gap [C], gaps [draws, C]: ln of the loss of `then` over that of `first`."""
    places = [_refined(early, late, c[i], c[i + 1]) for i in _changes(gap)]
    at = places[-1] if places else None
    passed = _last(c, gaps)  # ln C, -inf where ahead throughout, inf where behind at the end
    low, high = np.quantile(passed, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    share = ((gaps < 0) + 0.5 * (gaps == 0)).mean(axis=0)
    sides = {}
    if at is not None:
        sides = {first: _side(early, at), then: _side(late, at)}
    return Crossing(
        first=first,
        then=then,
        within=(float(np.exp(c[0])), float(np.exp(c[-1]))),
        C=at,
        q05=float(np.exp(np.clip(low, c[0], c[-1]))),
        q95=float(np.exp(np.clip(high, c[0], c[-1]))),
        open_low=bool(np.isneginf(low)),
        open_high=bool(np.isposinf(high)),
        crosses=float(np.isfinite(passed).mean()),
        always_ahead=float(np.isneginf(passed).mean()),
        behind=float(np.isposinf(passed).mean()),
        others=tuple(places[:-1]),
        told_apart=bool(np.maximum(share, 1 - share).max() >= (1 + LEVEL) / 2),
        sides=sides,
    )


def _changes(gap: Array) -> NDArray[np.intp]:
    """Steps of the grid in which the sign of `gap` changes."""
    return np.flatnonzero((gap[:-1] < 0) != (gap[1:] < 0))


def _last(c: Array, gaps: Array) -> Array:
    """Of each row [C], ln C from which the gap stays below 0; -inf where it always is, inf where it
    is not at the end."""
    behind = ~(gaps < 0)
    last = gaps.shape[1] - 1 - np.argmax(behind[:, ::-1], axis=1)  # the last step not below 0
    row = np.arange(len(gaps))
    after = np.minimum(last + 1, gaps.shape[1] - 1)
    here, there = gaps[row, last], gaps[row, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = c[last] + (c[after] - c[last]) * here / (here - there)
    out = np.where(behind[:, -1], np.inf, between)
    return np.where(behind.any(axis=1), out, -np.inf)


def _refined(one: Fit, other: Fit, low: float, high: float) -> float:
    """The C at which the estimates' frontiers cross, between two values of ln C."""
    c = np.linspace(low, high, _FINER)
    losses = [thinned(fitted, 0).optimum(np.exp(c)).loss.point for fitted in (one, other)]
    gap = np.log(losses[1] / losses[0])
    found = _changes(gap)
    if not len(found):  # they touch there to the last bits, no more
        return float(np.exp(c[np.argmin(np.abs(gap))]))
    i = int(found[0])
    return float(np.exp(c[i] + (c[i + 1] - c[i]) * gap[i] / (gap[i] - gap[i + 1])))


def _side(fitted: Fit, C: float) -> Side:
    best = fitted.optimum(C)
    inside = all(
        fitted.points[name].min() <= float(value.point) <= fitted.points[name].max()
        for name, value in (("N", best.N), ("D", best.D))
    )
    return Side(
        interval_of(best.N),
        interval_of(best.D),
        interval_of(best.loss),
        decades=float(np.log10(C / fitted.c_max)),
        below=fitted.c_min > C,
        inside=inside,
    )
