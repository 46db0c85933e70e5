"""How a study stands, as people read it: what runs, what is left, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling.amounts import clock
from scaling.sweep.standing.health import line
from scaling.sweep.standing.progress import Left, Running


def progress(one: Running) -> str:
    """Who trains a trunk, and how far it is."""
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


def of_left(left: Left) -> Iterator[str]:
    """The cells left, their time and cost."""
    if not left.cells:
        return
    cells = f"left: {left.cells:,} cell{'s' * (left.cells != 1)}"
    if left.seconds is None:
        yield f"{cells}; time was not predicted"
        return
    corrected = "" if left.correction == 1 else (
        f" (predicted, times {left.correction:.2f}: measured over predicted so far)"
    )  # fmt: skip
    alone = f"{clock(left.seconds)} of one worker's time{corrected}"
    if left.wall_seconds is None:
        yield f"{cells}, {alone}; nothing runs now"
    else:
        workers = f"{left.workers} worker{'s' * (left.workers != 1)} at work"
        yield f"{cells}, about {clock(left.wall_seconds)} by {workers}; {alone}"
    if left.cost is not None and left.device_seconds is not None:
        hours = left.device_seconds / 3600
        yield f"cost left: {left.cost:,.2f} for {hours:,.2f} device-hours at {left.price:g} each"


def of_cell(cell: Mapping[str, Any], *, every: bool) -> Iterator[str]:
    """A cell that is not well, and what was found in it: every finding, or the first of a kind."""
    size = f"N {cell['N']:,.0f}  D {cell['D']:,.0f}  seed {cell['seed']}"
    reason = f": {cell['reason']}" if cell["reason"] else ""
    done = [f"{cell[name]} {name.replace('_', ' ')}" for name in ("skipped_steps", "rewinds")
            if name in cell]  # fmt: skip
    survived = f" ({', '.join(done)})" if done else ""
    yield f"{cell['run']}  {cell['family']}  {size}  {cell['status']}{reason}{survived}"
    yield from _findings(cell["findings"], every=every)


def _findings(found: Sequence[Mapping[str, Any]], *, every: bool) -> Iterator[str]:
    """What was found in a run; of each kind the first, unless every one is asked for."""
    for label in dict.fromkeys(finding["label"] for finding in found):
        first, *others = (finding for finding in found if finding["label"] == label)
        yield f"  {line(first)}"
        if every:
            yield from (f"  {line(finding)}" for finding in others)
        elif others:
            yield f"  {label}: {len(others)} more, the last at step {others[-1]['step']:,}"
