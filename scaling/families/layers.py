"""A network as a list of layers, and all that follows from it by addition. No JAX.

A family describes one example's forward pass as `Layer`s, in order; `Layered` adds them up into
parameters by group, FLOPs, memory and the receptive field. What a layer of a kind costs stands in
one place: the functions `dense`, `convolution`, ... below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod


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
    saved: numbers that the forward pass keeps for the backward pass.
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
    receptive: Receptive | None = None

    @property
    def size(self) -> int:
        """Numbers in its output."""
        return prod(self.out)


class Layered:
    """Everything that adds up over `layers()`; a family's shape inherits it.

    N leaves out what `embeddings` names: groups that are vocabulary tables (token embedding and
    unembedding). A classifier's head is none.
    """

    embeddings: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """Units of D in one example: 1, but the context's tokens where D counts tokens."""
        return 1

    def layers(self) -> tuple[Layer, ...]:
        raise NotImplementedError

    def parameters(self) -> dict[str, int]:
        """Exact parameter counts by group; their sum is `N_total`."""
        return _by(self.layers(), "group", "parameters")

    @property
    def N_total(self) -> int:
        return sum(self.parameters().values())

    @property
    def N(self) -> int:
        return sum(n for group, n in self.parameters().items() if group not in self.embeddings)

    @property
    def N_active(self) -> int:
        """Of N, the parameters that one example meets; all of them but in a mixture of experts."""
        return self.N

    def forward_flops(self) -> dict[str, int]:
        """Matmul and convolution FLOPs of one unit's forward pass, by kind of layer."""
        sums = _by(self.layers(), "kind", "flops")
        return {kind: flops // self.units for kind, flops in sums.items()}

    def training_flops(self) -> int:
        """Matmul and convolution FLOPs of one unit of D, forward and backward."""
        return sum(layer.flops + layer.backward_flops for layer in self.layers()) // self.units

    def memory_bytes(self, batch: int) -> int:
        """Predicted peak memory of a step over `batch` units, in bytes; float32, data not counted.

        Four copies of the parameters (themselves, gradients, two Adam moments), and what each
        layer keeps for the backward pass.
        """
        saved = sum(layer.saved for layer in self.layers())
        return 4 * (4 * self.N_total + batch * saved // self.units)

    @property
    def receptive_field(self) -> int | None:
        """The side, in pixels, of what the last position before pooling or flattening sees."""
        sizes = [layer.receptive.size for layer in self.layers() if layer.receptive]
        return max(sizes) if sizes else None


def _by(layers: Iterable[Layer], key: str, value: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for layer in layers:
        if count := getattr(layer, value):
            sums[getattr(layer, key)] = sums.get(getattr(layer, key), 0) + count
    return sums
