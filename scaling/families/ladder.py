"""From a size to the nearest buildable shape: one search for every family. No JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from scaling.errors import InputError

S = TypeVar("S")
# A ladder that is asked for a size gets one within this factor, or an error.
MOST_OFF = 1.5


def nearest(
    family: str,
    rung: Callable[[int], S],
    size: float,
    count: str,
    *,
    last: int,
    first: int = 1,
    describe: Callable[[S], str] = str,
) -> S:
    """The rung whose `count` ("N" or "N_total") is nearest to `size` in ratio.

    rung: shapes by a whole number from `first` to `last`, growing with it. Raises InputError
    where none comes within a factor of 1.5 of `size`.
    """
    if not size > 0:
        raise InputError(f"{family}: size = {size:g}, must be a positive number of parameters")

    def distance(shape: S) -> float:
        built = float(getattr(shape, count))
        return max(built / size, size / built)

    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if getattr(rung(middle), count) < size:
            low = middle + 1
        else:
            high = middle
    best = min((rung(step) for step in (low - 1, low) if step >= first), key=distance)
    if distance(best) > MOST_OFF:
        raise InputError(
            f"{family}: no shape near {count} = {size:g}; the nearest has "
            f"{getattr(best, count):,} ({describe(best)})"
        )
    return best


def check_dials(family: str, given: dict[str, Any], valid: tuple[str, ...]) -> None:
    """Raise InputError for a dial that the family doesn't have."""
    if unknown := sorted(set(given) - set(valid)):
        raise InputError(f"{family}: unknown dial {unknown[0]!r}, valid: {', '.join(valid)}")


def check_whole(family: str, **values: Any) -> None:
    """Raise InputError unless each value is a whole number of at least 1."""
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise InputError(f"{family}: {name} = {value!r}, must be a whole number of at least 1")
