"""From a size to the nearest buildable shape, and checks of dials, for every family. No JAX."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol, TypeVar

from scaling.errors import InputError


class Grown(Protocol):
    """A shape that the size may set by its width or its depth."""

    @property
    def width(self) -> int: ...
    @property
    def depth(self) -> int: ...


S = TypeVar("S")
G = TypeVar("G", bound=Grown)
# Images smaller than this get the layouts that are usual for CIFAR.
SMALL_IMAGE = 64
# A ladder that is asked for a size gets one within this factor, or an error.
MOST_OFF = 1.5
# Beyond these a slip of the keyboard would be counted, layer by layer, for minutes.
MOST = {"depth": 10_000, "text_depth": 10_000, "image": 10_000, "stages": 32}


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

    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if getattr(rung(middle), count) < size:
            low = middle + 1
        else:
            high = middle
    around = (rung(step) for step in (low - 1, low) if step >= first)
    best = min(around, key=lambda shape: off(shape, size, count))
    if off(best, size, count) > MOST_OFF:
        raise InputError(
            f"{family}: no shape near {count} = {size:g}; the nearest has "
            f"{getattr(best, count):,} ({describe(best)})"
        )
    return best


def off(shape: Any, size: float, count: str) -> float:
    """By what factor a shape's `count` lies above or below `size`."""
    built = float(getattr(shape, count))
    return max(built / size, size / built)


def by_width_or_depth(
    family: str,
    from_dials: Callable[..., G],
    size: float,
    count: str,
    fixed: dict[str, Any],
    *,
    last_width: int,
    depth: Callable[[int], int] = lambda step: step,
    first_step: int = 1,
    last_step: int = 1000,
) -> G:
    """The shape of the `fixed` dials that is nearest to `size` by its width; by its depth where
    the width is fixed and no depth.

    depth: the depth at whole-numbered steps from `first_step` to `last_step`.
    """
    if "width" in fixed and "depth" in fixed:
        raise InputError(f"{family}: a size, a width and a depth; give one less")
    if "width" in fixed:
        check_whole(family, width=fixed["width"])

    def describe(shape: Grown) -> str:
        return f"width {shape.width}, depth {shape.depth}"

    if "width" not in fixed:
        return nearest(
            family,
            lambda width: from_dials(width=width, **fixed),
            size,
            count,
            last=last_width,
            describe=describe,
        )
    return nearest(
        family,
        lambda step: from_dials(depth=depth(step), **fixed),
        size,
        count,
        first=first_step,
        last=last_step,
        describe=describe,
    )


def check_dials(family: str, given: dict[str, Any], valid: tuple[str, ...]) -> None:
    """Raise InputError for a dial that the family doesn't have."""
    if unknown := sorted(set(given) - set(valid)):
        raise InputError(f"{family}: unknown dial {unknown[0]!r}, valid: {', '.join(valid)}")


def check_no_width(family: str, given: dict[str, Any]) -> None:
    """Raise InputError for a width beside a size that sets it."""
    if "width" in given:
        raise InputError(f"{family}: a size and a width = {given['width']!r}; give one of them")


def check_whole(family: str, **values: Any) -> None:
    """Raise InputError unless each value is a whole number of at least 1, and not absurd."""
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise InputError(f"{family}: {name} = {value!r}, must be a whole number of at least 1")
        if value > MOST.get(name, value):
            raise InputError(f"{family}: {name} = {value:,}, must be at most {MOST[name]:,}")


def check_choice(family: str, name: str, value: Any, valid: tuple[Any, ...]) -> None:
    """Raise InputError unless the value is one of `valid`."""
    if value not in valid or type(value) not in {type(choice) for choice in valid}:
        listed = ", ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in valid)
        raise InputError(f"{family}: {name} = {value!r}, valid: {listed}")


def given_width(family: str, dials: dict[str, Any], valid: tuple[str, ...]) -> int:
    """The width among known dials. Raises InputError where there is none, or an unknown dial."""
    check_dials(family, dials, valid)
    if "width" not in dials:
        raise InputError(f"{family}: no size; give a size or a width")
    check_whole(family, width=dials["width"])
    width: int = dials["width"]
    return width


def set_shares(family: str, shape: Any, *names: str) -> None:
    """Make these fields floats. Raises InputError unless each is a number from 0 to below 1."""
    for name in names:
        value = getattr(shape, name)
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise InputError(f"{family}: {name} = {value!r}, must be at least 0 and below 1")
        _set_float(shape, name)


def set_weights(family: str, shape: Any, *names: str) -> None:
    """Make these fields floats. Raises InputError unless each is a number of at least 0."""
    for name in names:
        value = getattr(shape, name)
        if type(value) not in (int, float) or not 0 <= value < inf:
            raise InputError(f"{family}: {name} = {value!r}, must be a number of at least 0")
        _set_float(shape, name)


def _set_float(shape: Any, name: str) -> None:
    """2 and 2.0 are one dial, and must give one cell its one identity; shapes are frozen."""
    object.__setattr__(shape, name, float(getattr(shape, name)))


def usual_layout(family: str, image: int) -> str:
    """ "cifar" for small images, else "imagenet"."""
    check_whole(family, image=image)
    return "cifar" if image < SMALL_IMAGE else "imagenet"
