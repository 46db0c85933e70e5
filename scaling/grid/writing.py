"""Writes grids: one of chosen cells of another, and any grid as the TOML that it is read from."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from scaling.grid.cells import Cell
from scaling.grid.planning import Origin
from scaling.grid.rates import Point
from scaling.grid.spec import Axes, Grid


def only(grid: Grid, origins: Mapping[str, tuple[Cell, Origin]], keep: Collection[str]) -> Grid:
    """The grid of those cells alone, by their ids: its blocks in as few products as is simple.

    origins: of `grid`, as `planning.origins` has them.
    """
    points: dict[tuple[str, int], list[Point]] = {}
    for run, (cell, (number, point)) in origins.items():
        if run in keep:
            points.setdefault((cell.role, number), []).append(point)
    parts: dict[str, list[Axes]] = {"pilots": [], "targets": []}
    for (role, number), chosen in points.items():
        block = getattr(grid, f"{role}s")[number]
        parts[f"{role}s"] += [block.model_copy(update=axes) for axes in _products(chosen)]
    return grid.model_copy(update=parts)


def _products(points: list[Point]) -> list[dict[str, list[Any]]]:
    """Blocks, each the product of its axes, that together hold each point once."""
    names = list(points[0])
    blocks = [tuple((point[name],) for name in names) for point in points]
    # Sizes last: what is left apart then differs by size, as ladders do.
    for axis in [*range(1, len(names)), 0]:
        alike: dict[Any, list[Any]] = {}
        for block in blocks:
            alike.setdefault(block[:axis] + block[axis + 1 :], []).extend(block[axis])
        blocks = [(*rest[:axis], tuple(values), *rest[axis:]) for rest, values in alike.items()]
    return [{n: list(values) for n, values in zip(names, block, strict=True)} for block in blocks]


def to_toml(grid: Grid, comment: str = "") -> str:
    """The grid as a file that `parse_grid` reads as the same one; what it does not set stays out.

    comment: lines for its head.
    """
    given = grid.model_dump(exclude_unset=True)
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += _pairs({k: v for k, v in given.items() if not isinstance(v, dict | list)})
    for name, section in given.items():
        if isinstance(section, dict):
            lines += ["", f"[{_key(name)}]", *_pairs(section)]
        elif isinstance(section, list):
            for block in section:
                lines += ["", f"[[{_key(name)}]]", *_pairs(block)]
    return "\n".join(lines) + "\n"


def _pairs(section: Mapping[str, Any]) -> list[str]:
    """Keys with their values; None has no TOML, and is what a key is that is not given."""
    return [f"{_key(k)} = {value_of(v)}" for k, v in section.items() if v is not None]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def value_of(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(_pairs(value))} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_of, value))}]"
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(text: str) -> str:
    """A basic string; JSON's escapes are TOML's, but that TOML wants one for DEL, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
