"""The Flax module of `scaling.families.resnet.ResNet`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.resnet import EXPANSION, ResNet
from scaling.models.layers import BatchNorm, Convolution, Head, max_pool
from scaling.models.rates import of_images
from scaling.models.remat import blockwise

Array = jax.Array
# Blocks of a stage beyond which the CIFAR layout makes them a loop. With 56 layers of width 16, 32
# images of 32 x 32 and one core a step took 0.56 s instead of 0.75; written out, 1,202 layers take
# more than ten minutes and nine gigabytes to compile.
STACKED_FROM = 8


def _normed(
    shape: ResNet,
    train: bool,
    dtype: Any,
    which: str,
    features: int,
    window: int,
    stride: int = 1,
    *,
    zero: bool = False,
) -> Callable[[Array], Array]:
    """A convolution and its norm (with a bias instead, where there is none), as submodules of the
    module that is being built. zero: the norm's gain starts at zero."""
    bias = shape.norm == "none"
    convolution = Convolution(
        features, window, stride, bias=bias, dtype=dtype, name=f"convolution_{which}"
    )
    if bias:
        return convolution
    gain = nn.initializers.zeros if zero else nn.initializers.ones
    norm = BatchNorm(not train, dtype=dtype, scale_init=gain, name=f"norm_{which}")
    return lambda x: norm(convolution(x))


class Block(nn.Module):
    """[B, H, W, C] -> [B, H / stride, W / stride, expansion x width]."""

    shape: ResNet
    width: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        s, w = self.shape, self.width
        outputs = EXPANSION[s.block] * w
        normed = partial(_normed, s, train, self.dtype)
        if s.block == "basic":
            y = nn.relu(normed("1", w, 3, self.stride)(x))
            y = normed("2", outputs, 3, zero=s.zero_init)(y)
        else:
            y = nn.relu(normed("1", w, 1)(x))
            y = nn.relu(normed("2", w, 3, self.stride)(y))
            y = normed("3", outputs, 1, zero=s.zero_init)(y)
        if s.shortcut == "none":
            return nn.relu(y)
        if self.stride > 1 or x.shape[-1] != outputs:
            if s.shortcut == "projection":
                x = normed("shortcut", outputs, 1, self.stride)(x)
            else:
                added = outputs - x.shape[-1]
                x = x[:, :: self.stride, :: self.stride]
                x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, added)))
        return nn.relu(x + y)


class Stack(nn.Module):
    """`blocks` blocks of one shape as one compiled loop; their parameters lie stacked."""

    shape: ResNet
    width: int
    blocks: int
    dtype: Any
    remat: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        def once(block: Block, x: Array) -> Array:
            return block(x, train)

        def body(block: Block, x: Array, _: None) -> tuple[Array, None]:
            return blockwise(once, self.remat)(block, x), None

        loop = nn.scan(
            body,
            variable_axes={"params": 0, "batch_stats": 0, "telemetry": 0},
            split_rngs={"params": True},
            length=self.blocks,
        )
        x, _ = loop(Block(self.shape, self.width, 1, self.dtype, name="block"), x, None)
        return x


class ResNetClassifier(nn.Module):
    """Images [B, H, W, C] -> float32 logits [B, classes]."""

    shape: ResNet
    dtype: Any = jnp.float32
    transfer: bool = True
    remat: bool = False

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        imagenet = s.layout == "imagenet"
        window, stride = (7, 2) if imagenet else (3, 1)
        x = images.astype(self.dtype)
        x = nn.relu(_normed(s, train, self.dtype, "stem", s.width, window, stride)(x))
        if imagenet:
            x = max_pool(x, 3, 2, 1)
        for stage, blocks in enumerate(s.blocks(), 1):
            width = 2 ** (stage - 1) * s.width
            name = f"stage_{stage}_block_"
            x = self._block(width, 1 if stage == 1 else 2, f"{name}1", train)(self, x)
            if blocks > STACKED_FROM and not imagenet:
                # All blocks but the first have one shape.
                stack = Stack(
                    s, width, blocks - 1, self.dtype, self.remat, name=f"stage_{stage}_stack"
                )
                x = stack(x, train)
                continue
            for block in range(2, blocks + 1):
                x = self._block(width, 1, f"{name}{block}", train)(self, x)
        self.sow("intermediates", "features", x)
        x = x.mean((1, 2))
        return Head(s.classes, self.dtype, self.transfer, name="head")(x)

    def _block(self, width: int, stride: int, name: str, train: bool) -> Callable[..., Array]:
        """A block as a function of this module and its input."""

        def block(self: ResNetClassifier, x: Array) -> Array:
            return Block(self.shape, width, stride, self.dtype, name=name)(x, train)

        return blockwise(block, self.remat)


def build(
    shape: ResNet, *, dtype: Any = jnp.float32, transfer: bool = True, remat: bool = False
) -> ResNetClassifier:
    return ResNetClassifier(shape, dtype, transfer, remat)


rate_multipliers = of_images(build)
