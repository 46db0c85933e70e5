"""What the commands share: numbers as people write them, lists of pairs, and printing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from scaling.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

_UNITS = {"k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_PLAIN_WIDTH = 140  # columns of output that goes to a file or a pipe


def number(text: str | float) -> float:
    """A number as people write it: 1e15, 12M, 1.2B (k, M, B or G, T, P, E)."""
    stripped = str(text).strip().replace("_", "").replace(",", "")
    unit = _UNITS.get(stripped[-1:], 1.0)
    digits = stripped[:-1] if stripped[-1:] in _UNITS else stripped
    try:
        return float(digits) * unit
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a number; write 1e15, 12M or 1.2B (k, M, B, G, T, P, E)"
        ) from None


def pairs(text: str, option: str) -> dict[str, str]:
    """`N=params,D=tokens` as a dict."""
    found = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise InputError(f"{option} {text!r}: {part!r} is not NAME=VALUE")
        found[name] = value
    return found


def console() -> Console:
    """A terminal's width on a terminal, a fixed one through a pipe."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def show(*items: Any) -> None:
    """Print text as it is, and tables with rich: on a terminal, or plain and of a fixed width
    through a pipe."""
    for item in items:
        if isinstance(item, str):
            print(item)
        else:
            console().print(item, markup=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for long work, where that is a terminal: tell it (done, of how many; 0 where
    nobody knows)."""
    from rich.console import Console
    from rich.progress import Progress

    err = Console(stderr=True)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def show_json(data: Any) -> None:
    print(json.dumps(data, indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """A value as JSON has it, which knows no NaN nor infinity: such a loss is null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
