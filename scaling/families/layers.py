"""A network as a list of layers, and all that follows from it by addition. No JAX.

A family describes one example's forward pass as `Layer`s, in order; `Layered` adds them up into
parameters by group, FLOPs, memory and the receptive field. What a layer of a kind costs stands in
one place: the functions `dense`, `convolution`, ... below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod

from scaling.families.memory import UPDATE_FLOPS, USUAL, Memory, Use, peak

# Gradients by a layer's output and input, both of about its output's size, that are held while the
# backward pass goes through it.
WORKING = 2


@dataclass(frozen=True)
class Receptive:
    """What one output position sees of the image, along one side, in pixels.

    size: the field's side. stride: pixels between the fields of neighbouring positions. start: the
    first pixel of the first position's field, negative where padding begins it.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def window(self, kernel: int, stride: int = 1, before: int = 0) -> Receptive:
        """The field after a window of `kernel`, moved by `stride`, over `before` zeros of padding
        (Araujo et al. 2019, Distill, "Computing receptive fields", eq. 2 to 4)."""
        return Receptive(
            self.size + (kernel - 1) * self.stride,
            self.stride * stride,
            self.start - before * self.stride,
        )

    def joined(self, other: Receptive) -> Receptive:
        """The field of a sum of two branches of one stride."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Receptive(end - start, self.stride, start)


@dataclass(frozen=True)
class Layer:
    """One layer, counted for one example (an image, a sequence).

    out: its output's shape. group: the group of `parameters()` that its parameters belong to.
    flops: matmul and convolution FLOPs forward (a multiply-add is two), as a dense count: products
    with the zeros of padding are in it, and `padding_flops` says how many those are.
    backward_flops: those of the backward pass. other_flops: elementwise work forward, an estimate.
    saved: numbers that the forward pass keeps for the backward pass; fused_saved: the same where a
    GPU's kernel computes the layer in half precision, None where none does. working: those that its
    own backward pass holds beside them. turned: those held for it whatever the batch, until its
    backward pass is done. block: of the layers that rematerialisation computes again
    together; what of their `flops` is not needed a second time is in `once_flops`.
    """

    name: str
    kind: str
    out: tuple[int, ...]
    group: str = ""
    parameters: int = 0
    flops: int = 0
    backward_flops: int = 0
    padding_flops: int = 0
    other_flops: int = 0
    saved: int = 0
    working: int = 0
    fused_saved: int | None = None
    turned: int = 0
    receptive: Receptive | None = None
    block: str = ""
    once_flops: int = 0

    @property
    def size(self) -> int:
        """Numbers in its output."""
        return prod(self.out)


def dense(
    name: str,
    inputs: int,
    outputs: int,
    *,
    rows: int = 1,
    bias: bool = True,
    group: str = "dense",
    first: bool = False,
) -> Layer:
    """A matrix applied to each of `rows` vectors; its outcome is kept for what follows it.

    first: nothing before it has a gradient; the data that it reads are kept as floats.
    """
    flops = 2 * rows * inputs * outputs
    return Layer(
        name,
        "dense",
        (outputs,) if rows == 1 else (rows, outputs),
        group,
        parameters=inputs * outputs + bias * outputs,
        flops=flops,
        backward_flops=flops if first else 2 * flops,
        other_flops=bias * rows * outputs,
        saved=rows * (outputs + first * inputs),
        working=WORKING * rows * outputs,
    )


def convolution(
    name: str,
    side: int,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    bias: bool = True,
    first: bool = False,
    receptive: Receptive | None = None,
) -> Layer:
    """A square convolution of a square image of `side` pixels; `padding` zeros on each edge.

    receptive: the field of its output. Backward, each multiply-add of the forward pass has one in
    the gradient by the kernel and one in the gradient by the input. Kept are its outcome and, in
    the order that the gradient by the kernel wants, its input; a CPU turns kernels larger than one
    pixel ahead of time.
    """
    out = windows(side, kernel, stride, padding)
    inside = _taps_inside(side, kernel, stride, padding)
    a_tap = 2 * inputs // groups * outputs
    flops = a_tap * (out * kernel) ** 2
    weights = kernel**2 * inputs // groups * outputs
    return Layer(
        name,
        "convolution",
        (out, out, outputs),
        "convolution",
        parameters=weights + bias * outputs,
        flops=flops,
        backward_flops=flops if first else 2 * flops,
        padding_flops=flops - a_tap * inside**2,
        other_flops=bias * out**2 * outputs,
        saved=side**2 * inputs + out**2 * outputs,
        working=WORKING * out**2 * outputs,
        turned=0 if first or kernel == 1 else weights,
        receptive=receptive,
    )


def elementwise(
    name: str,
    kind: str,
    out: tuple[int, ...],
    flops: int,
    *,
    saved: int = 0,
    group: str = "",
    parameters: int = 0,
    receptive: Receptive | None = None,
) -> Layer:
    """A layer without products: `flops` and `saved` numbers for each number in `out`."""
    size = prod(out)
    return Layer(
        name,
        kind,
        out,
        group,
        parameters=parameters,
        other_flops=flops * size,
        saved=saved * size,
        receptive=receptive,
    )


def windows(side: int, window: int, stride: int, padding: int) -> int:
    """How many windows fit along a side; none where padding and all are shorter than one."""
    return max(0, (side + 2 * padding - window) // stride + 1)


@cache
def _taps_inside(side: int, window: int, stride: int, padding: int) -> int:
    """Along one side, how many taps of all windows fall on the image rather than on padding."""
    places = range(-padding, windows(side, window, stride, padding) * stride - padding, stride)
    return sum(max(0, min(side, place + window) - max(0, place)) for place in places)


class Layered(ABC):
    """Everything that adds up over `layers()`; a family's shape inherits it.

    N leaves out what `embeddings` names: groups that are vocabulary tables (token embedding and
    unembedding). A classifier's head is none.
    """

    embeddings: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """Units of D in one example: 1, but the context's tokens where D counts tokens."""
        return 1

    @abstractmethod
    def layers(self) -> tuple[Layer, ...]:
        """One example's forward pass, in order."""

    @cached_property
    def _listed(self) -> tuple[Layer, ...]:
        """The layers, listed once: a net of 1,202 layers has thousands."""
        return self.layers()

    def parameters(self) -> dict[str, int]:
        """Exact parameter counts by group; their sum is `N_total`."""
        return _by(self._listed, "group", "parameters")

    @cached_property
    def N_total(self) -> int:
        return sum(self.parameters().values())

    @cached_property
    def N(self) -> int:
        return sum(n for group, n in self.parameters().items() if group not in self.embeddings)

    @property
    def N_active(self) -> int:
        """Of N, the parameters that one example meets; all of them but in a mixture of experts."""
        return self.N

    def forward_flops(self) -> dict[str, int]:
        """Matmul and convolution FLOPs of one unit's forward pass, by kind of layer."""
        sums = _by(self._listed, "kind", "flops")
        return {kind: flops // self.units for kind, flops in sums.items()}

    def training_flops(self) -> int:
        """Matmul and convolution FLOPs of one unit of D, forward and backward."""
        return self._example_flops // self.units

    @cached_property
    def _example_flops(self) -> int:
        return sum(layer.flops + layer.backward_flops for layer in self._listed)

    def computed_flops(self, batch: int, *, remat: bool = False) -> int:
        """Matmul and convolution FLOPs that a step over `batch` units computes: beside those that
        are counted, what blocks compute a second time."""
        again = sum(layer.flops - layer.once_flops for layer in self._listed if layer.block)
        return batch * self.training_flops() + remat * batch * again // self.units

    def total_flops(self, batch: int, use: Use = USUAL) -> int:
        """All FLOPs of a step over `batch` units, as XLA counts them: no products with padding,
        but elementwise work (backward twice that forward) and the optimiser's.

        A CPU's narrow convolutions (`models.convolution`) multiply with zeros on top.
        """
        each = 0.0
        for layer in self._listed:
            inside = layer.flops - layer.padding_flops
            times = 1 + (layer.backward_flops / layer.flops if layer.flops else 2)
            each += inside * times + 3 * layer.other_flops
            if use.remat and layer.block:
                each += inside - layer.once_flops + layer.other_flops
        update = UPDATE_FLOPS[use.optimiser] * self.N_total
        return round(each * batch / self.units) + update

    def memory(self, batch: int, use: Use = USUAL, data: int = 0) -> Memory:
        """Predicted bytes on one device at the peak of a step over `batch` units of D, with `data`
        bytes of training items there."""
        return peak(
            self._met(batch // use.pieces(batch // self.units)), batch / self.units, use, data
        )

    def memory_bytes(self, batch: int, use: Use = USUAL) -> int:
        """The sum of `memory`; training items not counted."""
        return self.memory(batch, use).total

    def _met(self, units: int) -> Sequence[Layer]:
        """The layers as `units` that are computed together meet them."""
        return self._listed

    @property
    def receptive_field(self) -> int | None:
        """The side, in pixels, of what the last position before pooling or flattening sees."""
        sizes = [layer.receptive.size for layer in self._listed if layer.receptive]
        return max(sizes) if sizes else None


def _by(layers: Iterable[Layer], key: str, value: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for layer in layers:
        if count := getattr(layer, value):
            sums[getattr(layer, key)] = sums.get(getattr(layer, key), 0) + count
    return sums
