"""What a run cost: its program by XLA's own account, its device's memory, the part of its peak.

Nothing is compiled for it: XLA's account is that of the executable that has just run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scaling.devices import Precision, of_kind
from scaling.grid import CHUNK_STEPS, Cell
from scaling.train import calibrate
from scaling.train.step import Program, State
from scaling.train.tasks import Feed
from scaling.train.telemetry import Chunk

# Of a measured peak: products of square matrices of these sides, and for how long.
SIDES = (512, 1024)
PEAK_SECONDS = 0.3


@dataclass(frozen=True)
class Cost:
    """memory_bytes: what the compiled chunk holds at its peak, training items left out.
    device_memory_bytes: the most that the device held so far, None where it keeps no account.
    flops: of one step, as XLA counts it. mfu: the model's own FLOPs in a second over the peak.
    bytes_read: of training items, in one step. All of one device.
    """

    memory_bytes: int
    device_memory_bytes: int | None
    flops: float
    mfu: float
    bytes_read: int


def cost(
    program: Program, state: State, feed: Feed, cell: Cell, chunks: list[Chunk]
) -> Cost | None:
    """Of a program that has run; None where it has not, or is no single one of XLA's (a cohort)."""
    if not chunks or not (feed.streamed or hasattr(program.chunk, "lower")):
        return None
    account = _account(program, state, feed, cell)
    count, seconds = cell.devices.count, float(np.median([chunk.seconds for chunk in chunks]))
    model_flops = CHUNK_STEPS * cell.batch * cell.shape.training_flops() / count
    precision = cell.use().precision
    return Cost(
        memory_bytes=account.memory_bytes,
        device_memory_bytes=(jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use"),
        flops=account.flops,
        mfu=model_flops / seconds / peak_flops(precision),
        bytes_read=cell.batch * account.item_bytes,
    )


class Account(NamedTuple):
    """XLA's, of one program on data of one size."""

    memory_bytes: int
    flops: float
    item_bytes: int


def _account(program: Program, state: State, feed: Feed, cell: Cell) -> Account:
    """Asked for once: a program keeps it."""
    key = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(feed.arrays))
    if key not in program.accounts:
        executable, items = _executable(program, state, feed, cell)
        memory, counted = executable.memory_analysis(), executable.cost_analysis()
        program.accounts[key] = Account(
            memory_bytes=int(
                memory.temp_size_in_bytes
                + memory.argument_size_in_bytes
                + memory.output_size_in_bytes
                - memory.alias_size_in_bytes  # donated: the new state takes the old one's place
                - _bytes(feed.arrays)
            ),
            # The body of a loop counts once: a chunk is one step, a step's pieces are one piece.
            flops=program.pieces * float(counted["flops"]),
            item_bytes=items,
        )
    account: Account = program.accounts[key]
    return account


def _executable(program: Program, state: State, feed: Feed, cell: Cell) -> tuple[Any, int]:
    """The one that trains, found again by its arguments, and the bytes of one training item."""
    rates = np.zeros(CHUNK_STEPS, np.float32)
    noise = np.zeros(CHUNK_STEPS, np.uint32)
    if feed.streamed:
        shape = cell.shape.to_dict()
        image = (shape["image"], shape["image"], shape["channels"])
        batch = (np.zeros((cell.batch, *image), np.uint8), np.zeros(cell.batch, np.int32))
        lowered = program.step.lower(feed.arrays, state, (batch, rates[0], noise[0]))
        return lowered.compile(), _bytes(batch) // cell.batch
    picks = feed.picks(0, CHUNK_STEPS)
    chunk: Any = program.chunk  # a jitted function: the data are not streamed
    lowered = chunk.lower(state, feed.arrays, picks, rates, noise)
    return lowered.compile(), _item_bytes(feed.arrays)


def _item_bytes(arrays: Any) -> int:
    """Of one item: a token, or a row of each array that has one for each item."""
    if not isinstance(arrays, dict):
        return int(arrays.dtype.itemsize)
    items = len(arrays["images"])
    own = [arrays[name] for name in ("images", "labels", "groups", "rows") if name in arrays]
    caption = _bytes(arrays["captions"][0]) if "captions" in arrays else 0
    return sum(map(_bytes, own)) // items + caption


def _bytes(tree: Any) -> int:
    return sum(int(leaf.nbytes) for leaf in jax.tree.leaves(tree))


def peak_flops(precision: Precision) -> float:
    """FLOP/s of one device's matrix products: as its maker states, else measured here once and
    kept beside this machine's timings."""
    if known := of_kind(jax.local_devices()[0].device_kind):
        return known.peak(precision)
    key = f"peak {precision}"
    stored = calibrate.read().get(key)
    if stored is None:
        stored = {"flops": max(_product_rate(side, precision) for side in SIDES)}
        calibrate.remember({key: stored})
    return stored["flops"]


def _product_rate(side: int, precision: Precision) -> float:
    """FLOP/s of the fastest of many products; of a thread's own time where a process has one core,
    for other processes may share it."""
    a = jnp.ones((side, side), precision)
    product: Callable[..., Any] = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    clock, best, until = calibrate.clock(), float("inf"), time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < until:
        began = clock()
        product(a).block_until_ready()
        best = min(best, clock() - began)
    return 2 * side**3 / best
