"""What one device holds at the peak of a training step, by what it is. No JAX.

Two moments compete. Backward: what the layers before a layer keep, what the layer itself works
with, and the gradients of those behind it. The update: all gradients, and clipped ones beside them.
Constants of both are those of XLA's buffers for the chunk of `scaling.train.step`, on a CPU
(tests/families/test_memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from scaling.devices import Platform, Precision

if TYPE_CHECKING:
    from scaling.families.layers import Layer

Optimiser = Literal["adamw", "lion", "sgd"]
MOMENTS = {"adamw": 2, "lion": 1, "sgd": 0}
FLOAT32 = 4
# XLA's FLOPs of clipping, optimiser, decay and telemetry for each parameter.
UPDATE_FLOPS = {"adamw": 27, "lion": 23, "sgd": 15}


@dataclass(frozen=True)
class Use:
    """How a shape is trained, as far as its memory hangs on it.

    microbatch: examples whose gradients are taken together; None for the whole batch. remat:
    blocks keep their input only. data, fsdp: the mesh, both divide a batch, the second the state
    too. on: a CPU computes 16-bit products and sums in float32, and holds them so.
    """

    precision: Precision = "float32"
    microbatch: int | None = None
    remat: bool = False
    optimiser: Optimiser = "adamw"
    clip: bool = True
    data: int = 1
    fsdp: int = 1
    on: Platform = "cpu"

    def pieces(self, examples: int) -> int:
        """Parts of a batch whose gradients are taken one after another."""
        return max(1, examples // self.microbatch) if self.microbatch else 1

    @property
    def activation_bytes(self) -> int:
        return FLOAT32 if self.precision == "float32" or self.on == "cpu" else 2


USUAL = Use()


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at the peak. parameters: with the copy that a chunk's start is compared
    with, and those cast to another precision; data: the training items that lie there."""

    parameters: int
    gradients: int
    optimiser: int
    activations: int
    data: int = 0

    @property
    def total(self) -> int:
        return self.parameters + self.gradients + self.optimiser + self.activations + self.data


def peak(layers: Sequence[Layer], examples: float, use: Use, data: int = 0) -> Memory:
    """The peak of a step over `examples`, with `data` bytes of items on the device."""
    pieces = use.pieces(int(examples))
    if use.on == "gpu" and use.precision != "float32":
        layers = [_by_kernel(layer) for layer in layers]
    number = use.activation_bytes * examples / (pieces * use.data * use.fsdp)
    sharded = sum(layer.parameters for layer in layers) // use.fsdp
    # Pieces add up to a sum that is there from the first one on.
    summed = FLOAT32 * sharded if pieces > 1 else 0
    gradients, activations = max(
        (
            (summed + FLOAT32 * behind // use.fsdp, round(number * held) + FLOAT32 * turned)
            for held, behind, turned in _backward(layers, use)
        ),
        key=sum,
        default=(0, 0),
    )
    # Clipped gradients are written down where moments and weights both read them.
    updating = FLOAT32 * sharded * (2 if use.clip and MOMENTS[use.optimiser] else 1)
    if updating >= gradients + activations:
        gradients, activations = updating, 0
    cast = use.activation_bytes * sharded if use.activation_bytes < FLOAT32 else 0
    return Memory(
        parameters=2 * FLOAT32 * sharded + cast,
        gradients=gradients,
        optimiser=MOMENTS[use.optimiser] * FLOAT32 * sharded,
        activations=activations,
        data=data,
    )


def _by_kernel(layer: Layer) -> Layer:
    """A layer as the GPU's own kernel computes it, where there is one."""
    if layer.fused_saved is None:
        return layer
    return replace(layer, saved=layer.fused_saved, working=0)


def _backward(layers: Sequence[Layer], use: Use) -> list[tuple[int, int, int]]:
    """At each layer, last to first, while its backward pass runs: the numbers of one example that
    are held, the parameters whose gradients are there, and those that are there a second time."""
    held, behind, moments = 0, 0, []
    turned = sum(layer.turned for layer in layers) if use.on == "cpu" else 0
    kept: dict[str, int] = {}  # of each block that is computed again: its input
    again: dict[str, int] = {}  # and what it keeps once that is done
    before = 0
    for layer in layers:
        if use.remat and layer.block:
            kept.setdefault(layer.block, before)
            again[layer.block] = again.get(layer.block, 0) + layer.saved
        else:
            held += layer.saved
        before = layer.size
    held += sum(kept.values())
    block = ""
    for layer in reversed(layers):
        if layer.block != block:
            held += again.get(layer.block, 0) - kept.get(block, 0)
            block = layer.block
        behind += layer.parameters
        moments.append((held + layer.working, behind, turned))
        held -= layer.saved
        turned -= layer.turned if use.on == "cpu" else 0
    return moments
