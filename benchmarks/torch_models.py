"""The families as PyTorch modules, to the parameter, as PyTorch's users write them.

Modules and parameters carry the names of our Flax modules, so that `take_flax` can copy one into
the other. Images arrive as [B, C, H, W] with channels last in memory, PyTorch's fast format for
convolutions on a CPU.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_attention import CoCa, ViT
from torch_lm import TorchLM

from scaling.families.alexnet import GROUPED, WINDOWS
from scaling.families.resnet import EXPANSION
from scaling.families.vgg import CHANNELS, STAGES


class MLP(nn.Module):
    def __init__(self, s: Any) -> None:
        super().__init__()
        inputs = s.image**2 * s.channels
        for n in range(1, s.depth + 1):
            self.add_module(f"dense_{n}", nn.Linear(inputs, s.width))
            inputs = s.width
        self.head = nn.Linear(inputs, s.classes)

    def forward(self, images: Tensor) -> Tensor:
        x = flat(images)
        *hidden, head = self.children()
        for dense in hidden:
            x = functional.relu(dense(x))
        return head(x)


class Chain(nn.Module, ABC):
    """Convolutions, norms and pools one behind the other: what `steps` yields by name, with
    functions of their own where they have no parameters."""

    def __init__(self, s: Any) -> None:
        super().__init__()
        self.order: list[Any] = []
        for name, part in self.steps(s):
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            self.order.append(name if isinstance(part, nn.Module) else part)

    @abstractmethod
    def steps(self, s: Any) -> Iterator[tuple[str, Any]]:
        """The parts by name, for the shape `s`."""

    def forward(self, x: Tensor) -> Tensor:
        for part in self.order:
            x = (getattr(self, part) if isinstance(part, str) else part)(x)
        return x


class CNN(Chain):
    def steps(self, s: Any) -> Iterator[tuple[str, Any]]:
        n, inputs = 0, s.channels
        for stage, convolutions in enumerate(s.convolutions()):
            if stage:
                yield "", lambda x: functional.max_pool2d(x, 2)
            for _ in range(convolutions):
                n, outputs = n + 1, 2**stage * s.width
                yield from convolved(
                    n, inputs, outputs, 3, s.norm == "batch", bias=s.norm == "none"
                )
                inputs = outputs
        yield "", lambda x: x.mean((2, 3))
        yield "head", nn.Linear(inputs, s.classes)


class VGG(Chain):
    def steps(self, s: Any) -> Iterator[tuple[str, Any]]:
        n, inputs, side = 0, s.channels, s.image
        for stage, convolutions in enumerate(STAGES[s.depth]):
            for _ in range(convolutions):
                n, outputs = n + 1, CHANNELS[stage] * s.width
                yield from convolved(n, inputs, outputs, 3, s.norm == "batch")
                inputs = outputs
            if side > 1:
                side //= 2
                yield "", lambda x: functional.max_pool2d(x, 2)
        yield from dense_layers(s, side**2 * inputs)


class AlexNet(Chain):
    def steps(self, s: Any) -> Iterator[tuple[str, Any]]:
        window, stride, padding = s.stem
        inputs, side = s.channels, (s.image + 2 * padding - window) // stride + 1
        shapes = [(s.width, window, stride, padding, 1)]
        for outputs, window, grouped in zip(s.convolutions, WINDOWS, GROUPED, strict=True):
            shapes.append((outputs, window, 1, window // 2, s.groups if grouped else 1))
        for n, (outputs, window, stride, padding, groups) in enumerate(shapes, 1):
            convolution = nn.Conv2d(inputs, outputs, window, stride, padding, groups=groups)
            yield f"convolution_{n}", convolution
            yield "", functional.relu
            if n in (1, 2, 5) and side > 1:
                side = (side - s.pool) // 2 + 1
                yield "", lambda x: functional.max_pool2d(x, s.pool, 2)
            inputs = outputs
        yield from dense_layers(s, side**2 * inputs)


class Block(nn.Module):
    def __init__(self, s: Any, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION[s.block] * width
        shapes = [(width, 3, stride), (outputs, 3, 1)]
        if s.block == "bottleneck":
            shapes = [(width, 1, 1), (width, 3, stride), (outputs, 1, 1)]
        self.length, self.stride, self.added = len(shapes), stride, 0
        channels = inputs
        for n, (wide, window, by) in enumerate(shapes, 1):
            part = nn.Conv2d(channels, wide, window, by, window // 2, bias=False)
            self.add_module(f"convolution_{n}", part)
            self.add_module(f"norm_{n}", nn.BatchNorm2d(wide))
            channels = wide
        self.projects = False
        if stride > 1 or inputs != outputs:
            self.projects = s.shortcut == "projection"
            self.added = outputs - inputs
        if self.projects:
            self.convolution_shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.norm_shortcut = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for n in range(1, self.length + 1):
            y = getattr(self, f"norm_{n}")(getattr(self, f"convolution_{n}")(y))
            y = functional.relu(y) if n < self.length else y
        if self.projects:
            x = self.norm_shortcut(self.convolution_shortcut(x))
        elif self.stride > 1 or self.added:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, 0, self.added))
        return functional.relu(x + y)


class ResNet(Chain):
    def steps(self, s: Any) -> Iterator[tuple[str, Any]]:
        window, stride = (7, 2) if s.layout == "imagenet" else (3, 1)
        yield (
            "convolution_stem",
            nn.Conv2d(s.channels, s.width, window, stride, window // 2, bias=False),
        )
        yield "norm_stem", nn.BatchNorm2d(s.width)
        yield "", functional.relu
        if s.layout == "imagenet":
            yield "", lambda x: functional.max_pool2d(x, 3, 2, 1)
        inputs = s.width
        for stage, blocks in enumerate(s.blocks(), 1):
            for block in range(1, blocks + 1):
                width, stride = 2 ** (stage - 1) * s.width, 2 if stage > 1 and block == 1 else 1
                yield f"stage_{stage}_block_{block}", Block(s, inputs, width, stride)
                inputs = EXPANSION[s.block] * width
        yield "", lambda x: x.mean((2, 3))
        yield "head", nn.Linear(inputs, s.classes)


MODELS = {
    "mlp": MLP,
    "cnn": CNN,
    "vgg": VGG,
    "alexnet": AlexNet,
    "resnet": ResNet,
    "vit": ViT,
    "coca": CoCa,
    "transformer": TorchLM,
}


def convolved(
    n: int, inputs: int, outputs: int, window: int, norm: bool, bias: bool = True
) -> Iterator[tuple[str, Any]]:
    yield f"convolution_{n}", nn.Conv2d(inputs, outputs, window, padding=window // 2, bias=bias)
    if norm:
        yield f"norm_{n}", nn.BatchNorm2d(outputs)
    yield "", functional.relu


def dense_layers(s: Any, inputs: int) -> Iterator[tuple[str, Any]]:
    yield "", flat
    for n in (1, 2):
        yield f"dense_{n}", nn.Linear(inputs, s.dense_width)
        yield "", functional.relu
        yield f"dropout_{n}", nn.Dropout(s.dropout)
        inputs = s.dense_width
    yield "head", nn.Linear(inputs, s.classes)


def flat(x: Tensor) -> Tensor:
    """Rows of pixels, channels innermost: as they lie in memory."""
    return x.permute(0, 2, 3, 1).flatten(1)


def take_flax(model: nn.Module, params: Any) -> None:
    """Copy the parameters of our Flax model: the same function, for comparison."""
    state = model.state_dict()
    loaded = {}
    for names, value in leaves(params):
        array = np.asarray(value)
        name = torch_name(names, state)
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2 and name.endswith("weight") and names[-1] != "embedding":
            array = array.T
        loaded[name] = torch.from_numpy(np.array(array))
    model.load_state_dict(state | loaded)


def torch_name(names: tuple[str, ...], state: dict[str, Tensor]) -> str:
    *modules, leaf = names
    known = {"kernel": "weight", "scale": "weight", "gain": "weight", "offset": "bias"}
    by_name = leaf if not leaf.endswith("_bias") else leaf.removesuffix("_bias") + ".bias"
    for last in (leaf, known.get(leaf, by_name), f"{leaf}.weight"):
        if (name := ".".join((*modules, last))) in state:
            return name
    raise KeyError(f"no parameter of the PyTorch model is {'.'.join(names)}")


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if hasattr(value, "items"):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value
