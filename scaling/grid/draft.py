"""A first grid for a family and its data: a ladder of pilots, two targets beyond it, a recipe and a
rule of forecast, as the grids of runs/ have them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from scaling import families
from scaling.data import Corpus
from scaling.errors import InputError
from scaling.families import Shape, Unit
from scaling.grid.cells import CHUNK_STEPS
from scaling.grid.data import AnyData

CONTEXT = 64
SIZES = 4
SPREAD = 7.0  # the largest pilot's N over the smallest's
REACH = 11.0  # compute of a target over that of the largest pilot; a proof asks for 10
TARGETS = {"token": (2.25, 4.0), "image": (5.5,), "pair": (5.5,)}  # N over the largest pilot's
# Tokens for a parameter of the largest pilot, and the fewest that are worth a run.
TOKENS_EACH, FEWEST_EACH = 16.0, 4.0
# How much shorter the larger pilots' longest runs are: D falls as N to this power.
SHORTER = 0.6
STEP = 1.35  # from one budget to the next
SMALL = 10_000  # images: fewer train in batches of 16, at rates of their own


@dataclass(frozen=True)
class Habit:
    """How a family is trained in runs/: dials that its ladder shares, the width that its rate was
    tuned at, and the rate there, on 60,000 images (or text) and on fewer."""

    dials: dict[str, Any]
    base_width: int
    rate: float
    rate_of_few: float


HABITS = {
    "transformer": Habit({"depth": 2, "mlp": "swiglu"}, 32, 0.012, 0.012),
    "mlp": Habit({"depth": 2}, 8, 0.004, 0.01),
    "cnn": Habit({"depth": 3}, 8, 0.02, 0.03),
    "resnet": Habit({"depth": 8}, 8, 0.01, 0.02),
    "vit": Habit({"depth": 2, "heads": 2}, 8, 0.01, 0.01),
    "coca": Habit({"depth": 2, "text_depth": 1, "heads": 2}, 16, 0.01, 0.01),
}
# No rate of theirs was tuned in runs/: the grid tunes it. Dropout is for nets much larger.
UNTUNED = {"vgg": {"depth": 11, "dropout": 0.0}, "alexnet": {"dropout": 0.0}}


@dataclass(frozen=True)
class Rung:
    """A size with its budgets, each D of a whole number of chunks of steps."""

    shape: Shape
    width: int
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Draft:
    family: str
    source: str
    unit: Unit
    dials: dict[str, Any]
    habit: Habit | None
    batch: int
    pilots: tuple[Rung, ...]
    targets: tuple[Rung, ...]
    few: bool

    @property
    def largest(self) -> int:
        """N of the largest pilot."""
        return self.pilots[-1].shape.N

    @property
    def rate(self) -> float | None:
        """The learning rate at the base width; None: it is to be tuned."""
        if self.habit is None:
            return None
        return self.habit.rate_of_few if self.few else self.habit.rate


def draft(
    family: str, source: str, data: AnyData, largest: float, smallest: float | None = None
) -> Draft:
    """The grid whose pilots reach from `smallest` to `largest` parameters (N), as near as the
    family builds them. Raises InputError where the data or the family allow no such ladder."""
    unit = families.get(family).UNIT
    habit = HABITS.get(family)
    dials = habit.dials if habit else UNTUNED.get(family, {})
    available = len(data.train) if isinstance(data, Corpus) else data.n_train
    few = unit != "token" and available < SMALL
    batch = 1024 if unit == "token" else 16 if few else 32 if unit == "image" else 64
    shapes = _shapes(family, dials, data, largest, smallest or largest / SPREAD)
    chunk = CHUNK_STEPS * batch
    longest = _longest(unit, shapes, available, chunk)
    pilots = tuple(
        Rung(shape, width, tuple(_lengths(most, longest[0], chunk)))
        for (width, shape), most in zip(shapes.items(), longest, strict=True)
    )
    if min(len(rung.lengths) for rung in pilots) < 3:
        raise InputError(
            f"{source}: {available:,} training {unit}s are too few for three budgets of batches of "
            f"{batch:,}; a ladder needs {6 * chunk:,} or more"
        )
    reached = REACH * max(r.shape.training_flops() * r.lengths[-1] for r in pilots)
    targets = tuple(
        _target(family, dials, data, ratio * pilots[-1].shape.N, reached, available, chunk)
        for ratio in TARGETS[unit]
    )
    return Draft(family, source, unit, dials, habit, batch, pilots, targets, few)


def _build(family: str, dials: dict[str, Any], data: AnyData, size: float) -> Shape:
    dims: dict[str, Any] = data.dims()
    if families.get(family).UNIT == "token":
        dims["context"] = CONTEXT
    return families.get(family).from_size(size, **dims, **dials)


def _shapes(
    family: str, dials: dict[str, Any], data: AnyData, largest: float, smallest: float
) -> dict[int, Shape]:
    """The ladder by width, in about equal ratios of N, as far as the family builds such sizes."""
    ratio = (largest / smallest) ** (1 / (SIZES - 1))
    found: dict[int, Shape] = {}
    for n in range(SIZES):
        with suppress(InputError):  # nothing near; what is left is counted below
            shape = _build(family, dials, data, smallest * ratio**n)
            found[int(shape.to_dict()["width"])] = shape
    if len(found) < 3:
        told = ", ".join(f"{shape.N:,}" for shape in found.values()) or "nothing"
        raise InputError(
            f"{family}: between {smallest:,.0f} and {largest:,.0f} parameters it has {told} only; "
            "a ladder needs three sizes: give a wider range or a larger one"
        )
    return dict(sorted(found.items()))


def _longest(unit: Unit, shapes: dict[int, Shape], available: int, chunk: int) -> list[int]:
    """The longest run of each pilot, such that no run, the targets' included, reads data twice."""
    if unit != "token":
        # Half of the images, so that the targets have twice as many; all, where that is too few.
        half = available // 2 // chunk
        return [max(half, min(available // chunk, 8)) * chunk] * len(shapes)
    n = [shape.N for shape in shapes.values()]
    # A target has REACH times the compute of the largest pilot, and reads as much more as its N is
    # not larger.
    room = available * min(TARGETS["token"]) / REACH / n[-1]
    each = min(TOKENS_EACH, room)
    if each < FEWEST_EACH:
        most = available * min(TARGETS["token"]) / REACH / FEWEST_EACH
        raise InputError(
            f"{available:,} training tokens are too few for pilots of {n[-1]:,} parameters and the "
            f"targets beyond them, each token read once; give more text, or at most {most:,.0f}"
        )
    return [round(each * n[-1] * (n[-1] / size) ** SHORTER / chunk) * chunk for size in n]


def _lengths(most: int, longest: int, chunk: int) -> Iterator[int]:
    """Budgets of one size up to `most`, all sizes' in one row that ends at `longest`; rising."""
    row = [round(longest / STEP**n / chunk) * chunk for n in range(9)]
    fitting = [d for d in dict.fromkeys(row) if 2 * chunk <= d <= most]
    yield from sorted(fitting[:6])


def _target(
    family: str,
    dials: dict[str, Any],
    data: AnyData,
    size: float,
    flops: float,
    available: int,
    chunk: int,
) -> Rung:
    """A model of about `size`, or of the least larger one whose run of so many FLOPs reads no unit
    twice."""
    while True:
        shape = _build(family, dials, data, size)
        length = max(2, math.ceil(flops / shape.training_flops() / chunk)) * chunk
        if length <= available:
            return Rung(shape, int(shape.to_dict()["width"]), (length,))
        size *= max(1.05, (length / available) ** 0.5)
