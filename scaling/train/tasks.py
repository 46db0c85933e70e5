"""What a model is trained for, by what its D counts: the contract, and who keeps it.

A task says what happens on the device (a batch, its training loss, what an evaluation measures);
its feed says what lies there and which items each step reads.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from scaling.families import Unit
from scaling.grid import AnyData, Cell
from scaling.train import mesh

Array = jax.Array
Variables = Mapping[str, Any]  # Flax's collections: "params", and "batch_stats" where there are any
Measured = dict[str, NDArray[Any]]  # by name, over all examples that were read

# What a training pass may change or tell beside its output: running statistics, a model's own
# penalties, telemetry.
CHANGED = ["batch_stats", "losses", "telemetry"]
_MODULES = {"token": "next_token", "image": "classify", "pair": "contrast"}


class Told(NamedTuple):
    """What a training loss returns beside itself: collections that the forward pass changed."""

    loss: Array
    changed: dict[str, Any]


class Task(Protocol):
    """The part on the device: all of it is traced."""

    def example(self) -> tuple[Array, ...]:
        """Inputs that initialise the model."""
        ...

    def loss(self, variables: Variables, arrays: Any, picks: Any, key: Array) -> Told:
        """The mean training loss of one step's items."""
        ...

    def reference(self, variables: Variables, arrays: Any) -> Any:
        """What every batch of an evaluation is measured against; computed once for all."""
        ...

    def measure(
        self, variables: Variables, arrays: Any, picks: Any, reference: Any
    ) -> dict[str, Array]:
        """Of each example: its held-out `loss`, and what the task's metrics are made of."""
        ...


class Feed(Protocol):
    """The part on the host. Picks are arrays (or trees of them), a leading axis over steps."""

    uniform: float  # the loss of a uniform guess, in nats
    streamed: bool  # batches come from the host one by one, too large to be sent ahead
    waited: float  # seconds so far that steps waited for their batches
    arrays: Any
    held_out_arrays: Any

    def picks(self, step: int, n_steps: int) -> Any:
        """What steps `step` ... `step + n_steps - 1` read; a pure function of the seed."""
        ...

    def held_out(self) -> Iterable[Any]:
        """Batches of the held-out part, in stacks of equal batches."""
        ...

    def sample(self) -> Iterable[Any]:
        """A quarter as many training items, for the gap between training and held-out loss."""
        ...

    def metrics(self, measured: Measured) -> dict[str, float]:
        """What the run table tells beside the loss."""
        ...


def with_z_loss(changed: dict[str, Any], weight: float | None, log_z: Array) -> dict[str, Any]:
    """`changed` with weight * mean(log Z^2) among the penalties, which are trained on but never
    reported; log Z [...] of each prediction. It keeps logits near 0 (Chowdhery et al. 2022,
    arXiv:2204.02311, section 5).
    """
    if weight is None:
        return changed
    penalty = weight * (log_z**2).mean()
    return {**changed, "losses": {**changed.get("losses", {}), "z_loss": penalty}}


def make(unit: Unit, model: Any, shape: Any, recipe: Any) -> Task:
    task: Task = _module(unit).Task(model, shape, recipe)
    return task


def feed_of(cell: Cell, data: AnyData, there: Feed | None = None) -> Feed:
    """What the cell trains on, put on the device where it fits there.

    there: the feed of another cell that reads the same items, whose arrays this one shares.
    """
    feed: Feed = _module(cell.unit).Feed(cell, data, there)
    if there is None:
        feed.arrays = mesh.everywhere(feed.arrays)
        feed.held_out_arrays = mesh.everywhere(feed.held_out_arrays)
    return feed


def _module(unit: Unit) -> Any:
    return importlib.import_module(f"scaling.train.{_MODULES[unit]}")


def whole_batches(items: NDArray[np.int32], batch: int) -> list[NDArray[np.int32]]:
    """Items as a stack of whole batches, and the rest as a batch of its own."""
    whole = len(items) // batch * batch
    stacks = [items[:whole].reshape(-1, batch), items[whole:].reshape(1, -1)]
    return [stack for stack in stacks if stack.size]
