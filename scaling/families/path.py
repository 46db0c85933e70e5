"""The way of an image through a convolutional net, layer by layer. No JAX."""

from __future__ import annotations

from dataclasses import replace

from scaling.errors import InputError
from scaling.families import layers as kinds
from scaling.families.layers import Layer, Receptive


class Path:
    """Adds layers one behind the other; knows the image's side, its channels and what a position
    sees where it stands.

    Names of layers are the paths of the Flax modules that hold their parameters (equal blocks of a
    deep net lie in one stack there).
    """

    def __init__(self, family: str, image: int, channels: int) -> None:
        self.family = family
        self.layers: list[Layer] = []
        self.side, self.channels = image, channels
        self.receptive = Receptive()
        self.block = ""  # of the layers that are added next

    def convolution(
        self,
        name: str,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        """padding: by default what keeps the side at stride 1, for an odd kernel."""
        padding = kernel // 2 if padding is None else padding
        inputs, side = self.channels, self.side
        self._move(name, outputs, kernel, stride, padding)
        self._add(
            kinds.convolution(
                name,
                side,
                inputs,
                outputs,
                kernel,
                stride=stride,
                padding=padding,
                groups=groups,
                bias=bias,
                first=not self.layers,
                receptive=self.receptive,
            )
        )

    def batch_norm(self, name: str) -> None:
        """Scale and bias are parameters; running statistics are none. Keeps the centred input."""
        self._here(name, "norm", 4, saved=1, group="norm", parameters=2 * self.channels)

    def relu(self, name: str, *, kept: bool = False) -> None:
        """Usually keeps nothing: it is made again of what the layers around it keep."""
        self._here(name, "relu", 1, saved=int(kept))

    def response_norm(self, name: str, window: int) -> None:
        """Over `window` neighbouring channels; keeps its output and its denominator."""
        self._here(name, "response_norm", window + 4, saved=2)

    def max_pool(self, name: str, window: int, stride: int, padding: int = 0) -> None:
        self._move(name, self.channels, window, stride, padding)
        self._here(name, "max_pool", window**2 - 1, saved=1)

    def shortcut(self, name: str, outputs: int, stride: int) -> None:
        """The identity, with channels of zeros added and every `stride`th position kept."""
        self._move(name, outputs, 1, stride, 0)
        self._here(name, "shortcut", 0, saved=1)

    def mean(self, name: str) -> None:
        """The mean over all positions."""
        summed = self.side**2
        self.side = 1
        self._add(kinds.elementwise(name, "mean_pool", (self.channels,), summed))

    def dense(self, name: str, outputs: int, *, group: str = "dense") -> None:
        """All positions flattened into one vector first."""
        inputs, self.side, self.channels = self.side**2 * self.channels, 1, outputs
        first = not self.layers
        self._add(kinds.dense(name, inputs, outputs, group=group, first=first))

    def dense_relu(self, name: str) -> None:
        self._add(kinds.elementwise(name, "relu", (self.channels,), 1, saved=1))

    def dropout(self, name: str) -> None:
        """Idle but in training; keeps the random bits."""
        self._add(kinds.elementwise(name, "dropout", (self.channels,), 0, saved=1))

    def branch(self) -> Path:
        """A second path from here; `join` brings it back."""
        other = Path(self.family, self.side, self.channels)
        other.receptive, other.layers, other.block = self.receptive, self.layers, self.block
        return other

    def join(self, name: str, other: Path) -> None:
        """The sum of this path and a branch of it."""
        self.receptive = self.receptive.joined(other.receptive)
        self._here(name, "add", 1)

    def _move(self, name: str, outputs: int, window: int, stride: int, padding: int) -> None:
        side = kinds.windows(self.side, window, stride, padding)
        if side < 1:
            raise InputError(
                f"{self.family}: nothing of the image is left at {name}: its window of "
                f"{window} x {window} does not fit into {self.side} x {self.side} pixels with "
                f"{padding} of padding; give larger images or fewer strides"
            )
        self.side, self.channels = side, outputs
        self.receptive = self.receptive.window(window, stride, padding)

    def _here(
        self,
        name: str,
        kind: str,
        flops: int,
        *,
        saved: int = 0,
        group: str = "",
        parameters: int = 0,
    ) -> None:
        out = (self.side, self.side, self.channels)
        self._add(
            kinds.elementwise(
                name,
                kind,
                out,
                flops,
                saved=saved,
                group=group,
                parameters=parameters,
                receptive=self.receptive,
            )
        )

    def _add(self, layer: Layer) -> None:
        self.layers.append(replace(layer, block=self.block))
