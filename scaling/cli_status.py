"""The command `status`: how a study stands. `scaling.cli` takes it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli_options import FolderArgument, JsonOption
from scaling.terminal import show_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaling.sweep.status import Left, Running, Status

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
    from scaling.sweep.status import status_of

    status = status_of(folder, price)
    if as_json:
        show_json(_plain(status.to_dict()))
        return
    print(status)
    shown = None if every else _SHOWN
    for line in (*_of_running(status, shown), *_of_left(status.left), *_of_rest(status, shown)):
        print(line)


def _of_running(status: Status, shown: int | None) -> Iterator[str]:
    for one in status.running[:shown]:
        yield f"{'running' if one.alive else 'stale'}  trunk {one.trunk}: {_progress(one)}"
    yield from _more(status.running, shown, "claimed trunks")


def _progress(one: Running) -> str:
    parts = [f"on {one.host or 'an unknown host'} (process {one.process})"]
    if one.step is not None:
        parts.append(f"step {one.step:,}" + (f" of {one.steps:,}" if one.steps else ""))
    if one.loss is not None:
        parts.append(f"loss {one.loss:.4g}")
    if one.steps_per_second:
        parts.append(f"{one.steps_per_second:.3g} steps/s")
    if one.told_seconds is not None:
        parts.append(f"told {one.told_seconds:.0f} s ago")
    if not one.alive:
        parts.append("its holder is gone, or silent: the next worker takes it over")
    return ", ".join(parts)


def _of_left(left: Left) -> Iterator[str]:
    from scaling.sweep.live import clock

    if not left.cells:
        return
    if left.seconds is None:
        yield f"left: {left.cells:,} cells; their time was not predicted"
        return
    corrected = "" if left.correction == 1 else (
        f" (predicted, times {left.correction:.2f}: measured over predicted so far)"
    )  # fmt: skip
    alone = f"{clock(left.seconds)} of one worker's time{corrected}"
    if left.wall_seconds is None:
        yield f"left: {left.cells:,} cells, {alone}; nothing runs now"
    else:
        workers = f"{left.workers} worker{'s' * (left.workers != 1)} at work"
        yield f"left: {left.cells:,} cells, about {clock(left.wall_seconds)} by {workers}; {alone}"
    if left.cost is not None and left.device_seconds is not None:
        hours = left.device_seconds / 3600
        yield f"cost left: {left.cost:,.2f} for {hours:,.2f} device-hours at {left.price:g} each"


def _of_rest(status: Status, shown: int | None) -> Iterator[str]:
    if status.other_cells:
        yield f"{status.other_cells:,} more cells have records, and are not in this grid: kept"
    for aside in status.quarantined[:shown]:
        where = f"moved to {aside.now}" if aside.now else "the next run moves it to quarantine/"
        yield f"damaged  {aside.id}: {aside.why}; {where}"
    yield from _more(status.quarantined, shown, "damaged")
    for cell in status.ill[:shown]:
        yield from _lines(cell, every=shown is None)
    yield from _more(status.ill, shown, "cells that are not well")


def _more(items: Sequence[Any], shown: int | None, what: str) -> Iterator[str]:
    if shown is not None and len(items) > shown:
        yield f"and {len(items) - shown:,} more {what} (--all tells of them)"


def _lines(cell: dict[str, Any], *, every: bool) -> Iterator[str]:
    size = f"N {cell['N']:,.0f}  D {cell['D']:,.0f}  seed {cell['seed']}"
    reason = f": {cell['reason']}" if cell["reason"] else ""
    done = [f"{cell[name]} {name.replace('_', ' ')}" for name in ("skipped_steps", "rewinds")
            if name in cell]  # fmt: skip
    survived = f" ({', '.join(done)})" if done else ""
    yield f"{cell['run']}  {cell['family']}  {size}  {cell['status']}{reason}{survived}"
    yield from _findings(cell["findings"], every=every)


def _findings(found: Sequence[Mapping[str, Any]], *, every: bool) -> Iterator[str]:
    """What was found in a run; of each kind the first, unless every one is asked for."""
    from scaling.sweep.health import line

    for label in dict.fromkeys(finding["label"] for finding in found):
        first, *others = (finding for finding in found if finding["label"] == label)
        yield f"  {line(first)}"
        if every:
            yield from (f"  {line(finding)}" for finding in others)
        elif others:
            yield f"  {label}: {len(others)} more, the last at step {others[-1]['step']:,}"


def _plain(value: Any) -> Any:
    """JSON has no NaN: a loss that is none is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value
