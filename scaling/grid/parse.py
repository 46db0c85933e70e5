"""Reads a grid's TOML: every error names the file, the line, the key, and what is valid."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from scaling import families
from scaling.errors import InputError
from scaling.grid.cells import batch_of, use_of
from scaling.grid.data import unit_of
from scaling.grid.spec import (
    Axes,
    Data,
    Devices,
    Grid,
    Model,
    Place,
    Proof,
    Recipe,
    Recovery,
    Rival,
    Tune,
)
from scaling.places import beside

# The tables of a grid, by the names that they have there.
SECTIONS: dict[str, type[BaseModel]] = {
    "data": Data, "model": Model, "train": Recipe, "tune": Tune,
    "recovery": Recovery, "devices": Devices, "executor": Place,
    "pilots": Axes, "targets": Axes, "proof": Proof, "rivals": Rival,
}  # fmt: skip


def load_grid(path: Path | str) -> Grid:
    """Read and validate a grid. Errors name the key, its line and the nearest valid key."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        told = f"{path}: cannot read the grid: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            told += f"; {beside(path, ['.toml'])}; `scaling new {path}` writes one"
        raise InputError(told) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_grid(text, str(path))


def parse_grid(text: str, where: str = "grid") -> Grid:
    """A grid from the text of its TOML; where: the name that errors give the text.

    Raises InputError for what is no TOML, and for keys, values, dials and families that there are
    none of: each with its line and what is valid.
    """
    try:
        grid = Grid.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise InputError("; ".join(_explain(e, text, where) for e in error.errors())) from None
    for part in ("pilots", "targets"):
        for number, block in enumerate(getattr(grid, part)):
            at = ["model"] if block.model is None else [part, "model"]
            _check_dials(block, block.model or grid.model, at, number, text, where)
            _check_recipe(block, grid, part, number, text, where)
    try:
        unit_of(grid.families)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return grid


def _explain(error: Any, text: str, where: str) -> str:
    """`file:line: key: what is wrong`, with the nearest valid key for an unknown one."""
    keys = [str(part) for part in error["loc"]]
    # The first number counts the blocks of a table: [[pilots]] comes several times.
    block = next((int(k) for k in keys[1:2] if k.isdigit()), 0)
    line = _line_of([k for k in keys if not k.isdigit()], text, block)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(keys[:-1])
        near = get_close_matches(keys[-1], valid, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        message = f"unknown key; {hint}valid: {', '.join(valid)}"
    elif "input" in error and error["type"] != "missing":
        message += f" (given {error['input']!r})"
    return f"{where}:{line}: {'.'.join(keys)}: {message}"


def _check_dials(
    block: Axes, model: Model, at: list[str], number: int, text: str, where: str
) -> None:
    """The keys of a block's model that only its family knows. at: where the model's table stands;
    number: of the block, among those of its name."""

    def place(key: str) -> str:
        return f"{where}:{_line_of([at[0], key], text, number if len(at) > 1 else 0)}"

    try:
        dials = families.get(model.family).DIALS
    except InputError as error:
        raise InputError(f"{place('family')}: {error}") from None
    axis = "depth" if block.depths else "width"  # that the block itself sets
    valid = [dial for dial in dials if dial != axis]
    for key in model.dials:
        if key not in valid:
            near = get_close_matches(key, valid, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"{place(key)}: {'.'.join(at)}.{key}: {model.family}: "
                f"unknown dial {key!r}; {hint}valid: family, context, {', '.join(valid)}"
            )


def _check_recipe(block: Axes, grid: Grid, part: str, number: int, text: str, where: str) -> None:
    """The keys of [train] that a block sets itself, and those that its family can't use."""
    try:
        recipe = block.recipe(grid.train)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        line = _line_of([part, key], text, number)
        hint = f"; valid: {', '.join(Recipe.model_fields)}"
        told = f"unknown key{hint}" if first["type"] == "extra_forbidden" else first["msg"]
        raise InputError(f"{where}:{line}: {part}.train.{key}: {told}") from None

    def place(key: str) -> str:
        own = key in block.train
        line = _line_of([part, "train"], text, number) if own else _line_of(["train", key], text)
        return f"{where}:{line}: {f'{part}.' * own}train.{key}"

    model = block.model or grid.model
    unit = families.get(model.family).UNIT
    if recipe.z_loss is not None and unit == "pair":
        raise InputError(
            f"{place('z_loss')}: of {model.family}, which trains on pairs of images and texts, "
            "there is no one softmax to keep small; leave it out"
        )
    for batch in block.batches or [batch_of(recipe, unit)]:
        examples = batch // model.context if unit == "token" else batch
        if wrong := families.wrong_use(model.family, examples, use_of(recipe, grid.devices)):
            raise InputError(f"{place(wrong[0])} = {wrong[1]}")


def _valid_keys(path: list[str]) -> list[str]:
    return list(SECTIONS.get(path[0] if path else "", Grid).model_fields)


def _line_of(keys: list[str], text: str, block: int = 0) -> int:
    """The line of a key: the last of `keys` that is found, within its table's block."""
    line, table, seen = 1, "", -1
    for number, row in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([\w.-]+)", row):
            table = header[1]
            seen += table == keys[0]
            if table == keys[0] and seen == block:
                line = number
        elif re.match(rf"\s*\"?{re.escape(keys[-1])}\"?\s*=", row) and (
            not table if len(keys) == 1 else table == keys[0] and seen == block
        ):
            return number
    return line
