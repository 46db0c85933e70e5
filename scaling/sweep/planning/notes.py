"""What a plan's figures mean and rest on, a line each. No JAX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scaling.amounts import money, size, span
from scaling.devices import ASSUMED_MFU, Device, Price
from scaling.grid import Cell
from scaling.sweep.planning.budget import Budget, Trimmed
from scaling.sweep.planning.estimate import Part
from scaling.sweep.planning.plan import CellCost

MOST_NAMED = 8  # cells that are too large, by their ids


def of_study(whole: Part, devices: int, what: str) -> Iterator[str]:
    """Compute, time and storage. what: the devices are called."""
    shared = whole.flops / whole.flops_apart
    yield (
        f"FLOPs: of training, counted from the models; {shared:.0%} of what training each cell "
        "apart takes, since cells of one trunk share it"
    )
    if whole.wall_seconds is None or whole.bound_seconds is None or whole.longest_seconds is None:
        yield "time: not timed here; calibrate where it runs, or name a device with --device"
    else:
        over = whole.wall_seconds / whole.bound_seconds - 1
        yield (
            f"time: on {devices:,} {what}, longest first, {span(whole.wall_seconds)}, {over:.1%} "
            "over what no schedule beats; a trunk is one task, and the longest takes "
            f"{span(whole.longest_seconds)}"
        )
    storage = whole.storage
    yield (
        f"storage: records {size(storage.records)}, curves {size(storage.curves)}, checkpoints "
        f"{size(storage.checkpoints)} at their peak; {size(whole.bytes_read)} of training items "
        "are read"
    )


def of_device(device: Device) -> str:
    """What a plan for a device of the catalogue assumes."""
    return (
        f"{device.name}: steps by its data sheet ({device.source}), assuming {ASSUMED_MFU:.0%} of "
        "its peak FLOP/s or its stated bandwidth, whichever takes longer; evaluations and starts "
        "left out; nothing of it was measured"
    )


def of_price(whole: Part, devices: int, price: float, assumed: Price | None) -> Iterator[str]:
    """assumed: where the price comes from, if nobody gave one."""
    if whole.dollars is None or whole.dollars_held is None:
        return
    source = f"{assumed}, an assumption: --price sets yours" if assumed else f"{money(price)} each"
    held = f"; {money(whole.dollars_held)} if all {devices:,} are held to the end"
    yield f"dollars: of the device-hours that are worked, at {source}{held if devices > 1 else ''}"


def of_large(large: Sequence[Cell], known: Mapping[str, CellCost], room: float) -> str:
    """Which cells no device has the memory for, and what helps. room: bytes that one has."""
    most = max(known[cell.id].memory_bytes for cell in large)
    named = ", ".join(cell.id for cell in large[:MOST_NAMED])
    more = f" and {len(large) - MOST_NAMED:,} more" if len(large) > MOST_NAMED else ""
    return (
        f"too large for a device of {size(room)}: {named}{more} (up to {size(most)}, and training "
        'items); a microbatch, remat = "blocks" or more devices ([devices] fsdp) help'
    )


def of_budget(trimmed: Trimmed, limit: Budget, save: Path | None) -> Iterator[str]:
    """What was dropped, by size, and what it saves."""
    if not trimmed.dropped:
        yield f"budget: {limit} is enough for all of it, which costs {limit.told(trimmed.cost)}"
    else:
        cells = len(trimmed.kept) + len(trimmed.dropped)
        of_sizes = Counter((cell.family, cell.shape.N) for cell in trimmed.dropped)
        sizes = ", ".join(f"{k} of {family} N {n:,}" for (family, n), k in sorted(of_sizes.items()))
        yield (
            f"budget: of {cells:,} cells that cost {limit.told(trimmed.before)}, "
            f"{len(trimmed.dropped):,} pilots are dropped to fit {limit}: {sizes}. What is left "
            f"costs {limit.told(trimmed.cost)}; what went informs the forecast least for its cost"
        )
    yield f"written: {save}" if save else "--save GRID writes the trimmed grid, for `scaling run`"
