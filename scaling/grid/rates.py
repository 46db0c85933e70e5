"""A planned cell's learning rate as a number: as given, by a law, or as it was tuned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scaling.errors import InputError
from scaling.grid.cells import Cell, canonical_json
from scaling.grid.spec import Model, Recipe
from scaling.laws.rate_law import load

# Of each axis that a block gives, the value of one cell.
Point = dict[str, Any]
# By `tuning_key`: the rate that was found, and what to tell of it.
Tuned = Mapping[str, tuple[float, str]]


def with_rates(
    cells: Iterator[tuple[Cell, Point]], model: Model, tuned: Tuned | None
) -> Iterator[tuple[Cell, Point]]:
    """The cells with their learning rates as numbers, where these follow a law or are tuned."""
    found: dict[Any, tuple[Recipe, str]] = {}  # the same for every seed
    for cell, point in cells:
        source, tune = cell.recipe.rate_law, cell.recipe.tune
        if source is None and not tune:
            yield cell, point
            continue
        run = cell.recipe if tune else (cell.shape, cell.recipe, cell.steps, cell.D_unique)
        if run not in found:
            if source is None:
                rate, told = tuned_rate(model, cell.recipe, tuned)
            else:
                law = load(source, "learning_rate", "train.rate_law")
                rate, told = law.at({**cell.facts(), "B": cell.batch})
            found[run] = with_rate(cell.recipe, rate), told
        recipe, told = found[run]
        yield replace(cell, recipe=recipe, told=(*cell.told, told)), point


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with a number for its rate, wherever that comes from."""
    return recipe.model_copy(update={"learning_rate": rate, "rate_law": None, "tune": None})


def tuning_key(model: Model, recipe: Recipe) -> str:
    """The same for cells that share a rate."""
    facts = {"model": model.model_dump(), "train": recipe.model_dump(exclude={"learning_rate"})}
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:16]


def tuned_rate(model: Model, recipe: Recipe, tuned: Tuned | None) -> tuple[float, str]:
    """The rate of a recipe that asks for tuning, and what to tell of it."""
    if tuned is None:
        return recipe.learning_rate, (
            f"learning_rate {recipe.learning_rate:g} for now: it is to be tuned, and the run's id "
            "follows what is found"
        )
    found = tuned.get(tuning_key(model, recipe))
    if found is None:
        raise InputError(
            "tune.json holds the rates of another version of this grid, or of other data; choose "
            "another folder with --out, or move tune.json away to tune anew"
        )
    return found
