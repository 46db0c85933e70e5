"""A first grid that fits: the largest ladder of a family on its data that trains in the time given
on this machine, or one of the sizes asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from scaling.data import Corpus
from scaling.errors import InputError
from scaling.grid import AnyData, parse_grid
from scaling.grid.draft import Draft, draft
from scaling.planned import Planned, plan_grid

FIRST = 2_000.0  # N of the largest pilot that is tried first, and doubled until a family builds it
# N of the largest pilot for each image that there is: beyond it, more parameters learn nothing.
EACH_IMAGE = 5.0
AIM, GOOD = 0.8, 0.4  # of the time given: what is aimed at, and what is good enough
LOOKS = 3  # ladders whose shapes are timed at most


@dataclass(frozen=True)
class Drafted:
    """A draft as text, and as it is planned."""

    draft: Draft
    text: str
    planned: Planned

    def seconds(self, workers: int) -> float | None:
        """Predicted training time here; None where its shapes are not timed."""
        return self.planned.wall_seconds(workers)


# How a draft becomes text: by what is said in the head.
Writer = Callable[[Draft], str]


def of_sizes(
    family: str, source: str, data: AnyData, low: float, high: float, write: Writer
) -> Drafted:
    """The grid whose pilots reach from `low` to `high` parameters."""
    return _drafted(draft(family, source, data, high, low), data, write)


def of_time(
    family: str,
    source: str,
    data: AnyData,
    seconds: float,
    workers: int,
    write: Writer,
    tell: Callable[[str], None],
) -> Drafted:
    """A large ladder that this machine is predicted to train in so many seconds. Its shapes are
    timed. Raises InputError where the smallest takes longer."""

    def planned_at(largest: float) -> Drafted | None:
        try:
            return _drafted(draft(family, source, data, largest), data, write)
        except InputError:
            return None  # more than the data allow

    found = _smallest(family, source, data, write)
    tell("timing a small model, for the speed of this machine")
    pace = _pace(found.planned, workers)
    best, shortest = None, float("inf")
    for _ in range(LOOKS):
        before = found.draft.largest
        found = _of_pace(found, planned_at, AIM * seconds / pace, data)
        if best is not None and found.draft.largest == before:
            return best  # the data hold no larger ladder
        sizes = [f"{rung.shape.N:,}" for rung in (*found.draft.pilots, *found.draft.targets)]
        tell(f"timing models of {', '.join(sizes)} parameters")
        found = replace(found, planned=found.planned.timed(workers))
        took = found.seconds(workers)
        assert took is not None  # it is timed
        if took <= seconds:
            best = found
            if took >= GOOD * seconds:
                return best
        shortest = min(shortest, took)
        pace = took / _flops(found.planned)
    if best is not None:
        return best
    raise InputError(
        f"{family} on {source}: the ladders that were timed take {shortest / 60:,.1f} minutes and "
        f"more here; give --minutes {shortest / 60 + 0.6:,.0f} or more, or --sizes"
    )


def _of_pace(
    found: Drafted, planned_at: Callable[[float], Drafted | None], flops: float, data: AnyData
) -> Drafted:
    """The ladder of about so many FLOPs, by steps from one that there is; the data may end it."""
    unit = found.draft.unit
    # Compute of text grows as N squared, of images, whose number is given, as N.
    power = 0.5 if unit == "token" else 1.0
    most = float("inf") if isinstance(data, Corpus) else EACH_IMAGE * data.n_train
    for _ in range(6):
        ratio = (flops / _flops(found.planned)) ** power
        largest = min(found.draft.largest * ratio, max(most, found.draft.largest))
        while (other := planned_at(largest)) is None and largest > found.draft.largest:
            largest *= 0.8
        if other is None or other.draft.largest == found.draft.largest:
            break
        found = other
    return found


def _flops(planned: Planned) -> float:
    return float(sum(cost.flops for cost in planned.known.values()))


def _pace(planned: Planned, workers: int) -> float:
    """Seconds of all workers for a FLOP, by one model of the ladder, timed."""
    cell = max(planned.cells, key=lambda cell: cell.shape.N)
    alone = replace(planned, cells=[cell], rungs=[], tuning=[]).timed(1)
    (cost,) = alone.known.values()
    assert cost.seconds is not None  # it is timed
    return cost.seconds / cost.flops / workers


def _smallest(family: str, source: str, data: AnyData, write: Writer) -> Drafted:
    """The smallest ladder that the family builds."""
    largest = FIRST
    while True:
        try:
            return _drafted(draft(family, source, data, largest), data, write)
        except InputError:
            if largest > 1e9:
                raise
            largest *= 2


def _drafted(found: Draft, data: AnyData, write: Writer) -> Drafted:
    text = write(found)
    return Drafted(found, text, plan_grid(parse_grid(text, "the drafted grid"), data=data))
