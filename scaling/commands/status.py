"""The command `status`: how a study stands. `scaling.cli` takes it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import FolderArgument, JsonOption
from scaling.terminal import plain, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaling.sweep.standing.status import Status

app = typer.Typer()

_SHOWN = 20  # cells of each kind, unless all are asked for


@app.command("status")
def status_command(
    folder: FolderArgument,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="Of one device for an hour: tells the cost left."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Tell of every cell that is not well, not of 20, and of all that was found.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which cells are done and what runs now, what failed and why, and how much is left.

    Changes nothing, and may be called anywhere at any time. Numbers at running trunks are as their
    workers last told.
    """
    from scaling.sweep.standing.status import status_of
    from scaling.sweep.standing.words import of_left

    status = status_of(folder, price)
    if as_json:
        show_json(plain(status.to_dict()))
        return
    print(status)
    shown = None if every else _SHOWN
    for line in (*_of_running(status, shown), *of_left(status.left), *_of_rest(status, shown)):
        print(line)


def _of_running(status: Status, shown: int | None) -> Iterator[str]:
    from scaling.sweep.standing.words import progress

    for one in status.running[:shown]:
        yield f"{'running' if one.alive else 'stale'}  trunk {one.trunk}: {progress(one)}"
    yield from _more(status.running, shown, "claimed trunks")


def _of_rest(status: Status, shown: int | None) -> Iterator[str]:
    from scaling.sweep.standing.words import of_cell

    if status.other_cells:
        yield f"{status.other_cells:,} more cells have records, and are not in this grid: kept"
    for aside in status.quarantined[:shown]:
        where = f"moved to {aside.now}" if aside.now else "the next run moves it to quarantine/"
        yield f"damaged  {aside.id}: {aside.why}; {where}"
    yield from _more(status.quarantined, shown, "damaged")
    for cell in status.ill[:shown]:
        yield from of_cell(cell, every=shown is None)
    yield from _more(status.ill, shown, "cells that are not well")


def _more(items: Sequence[Any], shown: int | None, what: str) -> Iterator[str]:
    if shown is not None and len(items) > shown:
        yield f"and {len(items) - shown:,} more {what} (--all tells of them)"
