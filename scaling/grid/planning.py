"""The plan: every cell of a grid on its data, each block the product of its axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from scaling import families
from scaling.data import Corpus, Pairs
from scaling.devices import Platform
from scaling.errors import InputError
from scaling.families import Unit
from scaling.grid.cells import CHUNK_STEPS, Cell, Role, batch_of, resolved, use_of
from scaling.grid.data import AnyData
from scaling.grid.rates import Point, Tuned, tuning_key, with_rate, with_rates
from scaling.grid.spec import Axes, Devices, Grid, Model, Recipe, Recovery
from scaling.laws.rate_law import load

# A cell's point of the grid, with the number of its block.
Origin = tuple[int, Point]


def plan(
    grid: Grid, data: AnyData, on: Platform | None = None, tuned: Tuned | None = None
) -> list[Cell]:
    """Every cell of the grid, targets last. Budgets are rounded to whole chunks of steps.

    on: the kind of device, where it is another than this machine's. tuned: rates that were found
    for `learning_rate = "tune"`; without them the usual rate stands in their place.
    """
    return [cell for cell, _ in origins(grid, data, on, tuned).values()]


def to_tune(grid: Grid, data: AnyData, on: Platform | None = None) -> dict[str, list[Cell]]:
    """The cells whose rate is to be tuned, by what makes them share one: model and recipe."""
    asked: dict[str, list[Cell]] = {}
    for role, _, block in _blocks(grid):
        if block.recipe(grid.train).tune and not block.learning_rates:
            for cell, _ in _cells(grid, data, role, block, on):
                asked.setdefault(tuning_key(block.model or grid.model, cell.recipe), []).append(
                    cell
                )
    return asked


def origins(
    grid: Grid, data: AnyData, on: Platform | None = None, tuned: Tuned | None = None
) -> dict[str, tuple[Cell, Origin]]:
    """Every cell by its id, in the plan's order, with the point of the grid that it comes from."""
    found: dict[str, tuple[Cell, Origin]] = {}
    for role, number, block in _blocks(grid):
        cells = _cells(grid, data, role, block, on)
        for cell, point in with_rates(cells, block.model or grid.model, tuned):
            # The last of equal ones, where the first stood.
            found[cell.id] = cell, (number, point)
    return found


def _blocks(grid: Grid) -> Iterator[tuple[Role, int, Axes]]:
    parts: list[tuple[Role, list[Axes]]] = [("pilot", grid.pilots), ("target", grid.targets)]
    for role, blocks in parts:
        for number, block in enumerate(blocks):
            yield role, number, block


def _cells(
    grid: Grid, data: AnyData, role: Role, block: Axes, on: Platform | None
) -> Iterator[tuple[Cell, Point]]:
    """The product of one block's axes; where rates follow a law, or are tuned, as that says."""
    model, common = block.model or grid.model, block.recipe(grid.train)
    family = families.get(model.family)
    own_batch = "batch_tokens" if family.UNIT == "token" else "batch_images"
    for batch in block.batches or [batch_of(common, family.UNIT)]:
        recipe = resolved(common, on)
        if recipe.batch and not block.batches:
            cells = _of_batch_law(grid, data, role, block, model, recipe, own_batch)
        else:
            given = {own_batch: batch} if block.batches else {}
            recipe = recipe.model_copy(update={"batch": None, "batch_law": None, **given})
            cells = _of_batch(grid, data, role, block, model, recipe)
        at = {"batches": batch} if block.batches else {}
        yield from ((cell, {**point, **at}) for cell, point in cells)


def _of_batch_law(
    grid: Grid, data: AnyData, role: Role, block: Axes, model: Model, recipe: Recipe, key: str
) -> Iterator[tuple[Cell, Point]]:
    """The cells of a block whose batch follows a law: each size and length has its own."""
    law = load(recipe.batch_law or recipe.rate_law or "", "batch_tokens", "train.batch_law")
    plain = recipe.model_copy(update={"batch": None, "batch_law": None})
    for one in _single(block):
        first, _ = next(_of_batch(grid, data, role, one, model, plain))
        value, told = law.at(first.facts())
        step = first.context or 1  # a batch is of whole windows
        # A run has at least two chunks of steps, and a batch no item twice.
        most = min(first.D // (2 * CHUNK_STEPS), first.D_unique) // step * step
        batch = max(step, min(step * round(value / step), most))
        told += f"; taken as {batch:,}"
        sized = plain.model_copy(update={key: batch})
        for cell, point in _of_batch(grid, data, role, one, model, sized):
            yield replace(cell, told=(told,)), point


def _single(block: Axes) -> Iterator[Axes]:
    """The block in pieces of one size and one length."""
    names = ("sizes", "widths", "depths", "tokens", "images", "epochs", "unique")
    lists = {name: values for name in names if (values := getattr(block, name))}
    for values in itertools.product(*lists.values()):
        yield block.model_copy(update={k: [v] for k, v in zip(lists, values, strict=True)})


def _check_devices(devices: Devices, recipe: Recipe, examples: int) -> None:
    """Each device takes as many examples of what is computed together."""
    together = recipe.microbatch or examples
    if together % devices.count:
        what = "train.microbatch" if recipe.microbatch else "a batch"
        valid = [str(n) for n in range(1, together + 1) if together % n == 0]
        raise InputError(
            f"[devices] data = {devices.data}, fsdp = {devices.fsdp}: {devices.count} devices "
            f"don't divide the {together} examples of {what}; valid numbers of devices are "
            f"{', '.join(valid)}"
        )


def _of_batch(
    grid: Grid, data: AnyData, role: Role, block: Axes, model: Model, recipe: Recipe
) -> Iterator[tuple[Cell, Point]]:
    family = families.get(model.family)
    batch = batch_of(recipe, family.UNIT)
    if (every := recipe.evaluate_every) is not None and every % CHUNK_STEPS:
        raise InputError(
            f"train.evaluate_every = {every}: readings are taken between chunks of steps; valid "
            f"are multiples of {CHUNK_STEPS}"
        )
    if recipe.early_stop is not None and recipe.evaluate_every is None:
        raise InputError("train.early_stop needs train.evaluate_every: how often to read")
    _check_recovery(grid.recovery, recipe)
    evaluate = _evaluated(grid, recipe, data, model)
    uniques = [_unique(grid, recipe, data, model, asked) for asked in block.unique or (None,)]
    # What many cells share is made, checked and, later, counted once.
    shapes = [(_shape(grid, data, model, recipe, batch, size), size) for size in _sizes(block)]
    lengths = [
        (unique, _steps(length, batch, family.UNIT), point)
        for unique, asked in zip(uniques, block.unique or (None,), strict=True)
        for length, point in _lengths(block, family.UNIT, unique, asked)
    ]
    # A rate that the block gives outranks a law, and the tuning.
    given: Sequence[float | None] = block.learning_rates or [None]
    recipes = [
        (
            own if rate is None else with_rate(own, rate),
            ({} if rate is None else {"learning_rates": rate})
            | ({"transfers": own.transfer} if block.transfers else {}),
        )
        for rate in given
        for own in (
            recipe.model_copy(update={"transfer": transfer})
            for transfer in block.transfers or [recipe.transfer]
        )
    ]
    for (shape, size), (unique, steps, length), seed, (own, how) in itertools.product(
        shapes, lengths, block.seeds, recipes
    ):
        yield (
            Cell(
                role=role,
                family=model.family,
                shape=shape,
                recipe=own,
                steps=steps,
                seed=seed,
                data=data.fingerprint,
                D_unique=unique,
                evaluate=evaluate,
                recovery=grid.recovery,
                devices=grid.devices,
            ),
            {**size, **length, "seeds": seed, **how},
        )


def _shape(
    grid: Grid, data: AnyData, model: Model, recipe: Recipe, batch: int, size: Point
) -> families.Shape:
    """The shape of a size, checked against what its batch is trained with."""
    family = families.get(model.family)
    dims: dict[str, Any] = data.dims()
    if family.UNIT == "token":
        dims["context"] = model.context
    ((axis, value),) = size.items()
    make = family.from_size if axis == "sizes" else family.from_dials
    shape = make(**{axis.removesuffix("s"): value}, **dims, **model.dials)
    use = use_of(recipe, grid.devices)
    if wrong := families.wrong_use(model.family, batch // shape.units, use):
        raise InputError(f"train.{wrong[0]} = {wrong[1]}")
    _check_devices(grid.devices, recipe, batch // shape.units)
    return shape


def _check_recovery(recovery: Recovery, recipe: Recipe) -> None:
    """Policies that would never act are no policies."""
    for name in ("lower_rate", "reset_moments"):
        if getattr(recovery, name) and not recovery.rewinds:
            raise InputError(f"recovery.{name} acts at a rewind: give recovery.rewinds, too")
    if recovery.reset_moments and recipe.optimiser == "sgd":
        raise InputError("recovery.reset_moments: sgd keeps no moments; valid with adamw and lion")


def _sizes(block: Axes) -> list[Point]:
    return [
        {axis: value} for axis in ("sizes", "widths", "depths") for value in getattr(block, axis)
    ]


def _lengths(
    block: Axes, unit: Unit, unique: int, asked: float | None
) -> Iterator[tuple[float, Point]]:
    """D of each run, before it is rounded to whole chunks, and the point that it comes from."""
    at = {} if asked is None else {"unique": asked}
    if block.epochs is not None:
        yield from ((epochs * unique, {"epochs": epochs, **at}) for epochs in block.epochs)
        return
    name, given = ("tokens", block.tokens) if block.tokens is not None else ("images", block.images)
    assert given is not None  # the block has one of the three
    if (name == "tokens") != (unit == "token"):
        valid = "tokens" if unit == "token" else "images"
        raise InputError(f"{name} = {given}: these models count {unit}s; give {valid} or epochs")
    yield from ((length, {name: length, **at}) for length in given)


def _unique(grid: Grid, recipe: Recipe, data: AnyData, model: Model, asked: float | None) -> int:
    """The training-set size, checked against what there is and what a batch needs."""
    if not isinstance(data, Corpus):
        unique = round(asked or data.n_train)
        batch = batch_of(recipe, "image")
        if not batch <= unique <= data.n_train:
            raise InputError(
                f"unique = {unique:,}: data {grid.data.source!r} has {data.n_train:,} training "
                f"images, and a batch needs {batch:,} different ones"
            )
        return unique
    context = model.context
    if recipe.batch_tokens % context:
        raise InputError(
            f"train.batch_tokens = {recipe.batch_tokens} is no multiple of "
            f"model.context = {context}"
        )
    unique = round(asked or grid.data.unique_tokens or len(data.train))
    if unique > len(data.train) or unique <= context + recipe.batch_tokens:
        raise InputError(
            f"data: {len(data.train):,} training tokens, unique_tokens = {unique:,}; needed are "
            f"more than {context + recipe.batch_tokens:,} and at most what there is"
        )
    return unique


def _evaluated(grid: Grid, recipe: Recipe, data: AnyData, model: Model) -> int:
    """Held-out tokens, images or pairs that an evaluation reads."""
    if not isinstance(data, Corpus):
        evaluate = min(grid.data.eval_images or data.n_held_out, data.n_held_out)
        # Pairs are told apart within whole batches; of one image there is no standard error.
        pairs = isinstance(data, Pairs)
        needed = max(2, batch_of(recipe, "pair")) if pairs else 2
        if evaluate < needed:
            raise InputError(
                f"data.eval_images = {evaluate:,} of {data.n_held_out:,} held out: an evaluation "
                f"needs at least {needed:,}" + (", a batch of training" if pairs else "")
            )
        return evaluate
    context = model.context
    if grid.data.eval_tokens < 2 * context or len(data.held_out) <= 2 * context:
        raise InputError(
            f"data.eval_tokens = {grid.data.eval_tokens:,} of {len(data.held_out):,} held-out "
            f"tokens: an evaluation needs at least two windows of {context} tokens"
        )
    return grid.data.eval_tokens


def _steps(length: float, batch: int, unit: Unit) -> int:
    chunk = CHUNK_STEPS * batch
    if length < 2 * chunk:
        raise InputError(
            f"{unit}s = {length:g} is less than two chunks of {CHUNK_STEPS} batches of "
            f"{batch:,} {unit}s; the smallest budget is {2 * chunk:,}"
        )
    return CHUNK_STEPS * round(length / chunk)
