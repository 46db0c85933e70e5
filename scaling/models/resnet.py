"""The Flax module of `scaling.families.resnet.ResNet`."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scaling.families.resnet import EXPANSION, ResNet
from scaling.models.layers import BatchNorm, Convolution, Head, max_pool
from scaling.models.rates import of_images

Array = jax.Array
# Blocks of a stage beyond which the CIFAR layout makes them a loop. With 56 layers of width 16, 32
# images of 32 x 32 and one core a step took 0.56 s instead of 0.75; written out, 1,202 layers take
# more than ten minutes and nine gigabytes to compile.
STACKED_FROM = 8


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
        convolution = partial(Convolution, dtype=self.dtype)
        norm = partial(BatchNorm, not train, dtype=self.dtype)
        last = partial(norm, scale_init=nn.initializers.zeros) if s.zero_init else norm
        if s.block == "basic":
            y = convolution(w, 3, self.stride, name="convolution_1")(x)
            y = nn.relu(norm(name="norm_1")(y))
            y = convolution(outputs, 3, name="convolution_2")(y)
            y = last(name="norm_2")(y)
        else:
            y = convolution(w, 1, name="convolution_1")(x)
            y = nn.relu(norm(name="norm_1")(y))
            y = convolution(w, 3, self.stride, name="convolution_2")(y)
            y = nn.relu(norm(name="norm_2")(y))
            y = convolution(outputs, 1, name="convolution_3")(y)
            y = last(name="norm_3")(y)
        if self.stride > 1 or x.shape[-1] != outputs:
            if s.shortcut == "projection":
                x = convolution(outputs, 1, self.stride, name="convolution_shortcut")(x)
                x = norm(name="norm_shortcut")(x)
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

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        def body(block: Block, x: Array, _: None) -> tuple[Array, None]:
            return block(x, train), None

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

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        s = self.shape
        imagenet = s.layout == "imagenet"
        window, stride = (7, 2) if imagenet else (3, 1)
        x = images.astype(self.dtype)
        x = Convolution(s.width, window, stride, dtype=self.dtype, name="convolution_stem")(x)
        x = nn.relu(BatchNorm(not train, dtype=self.dtype, name="norm_stem")(x))
        if imagenet:
            x = max_pool(x, 3, 2, 1)
        for stage, blocks in enumerate(s.blocks(), 1):
            width = 2 ** (stage - 1) * s.width
            name = f"stage_{stage}_block_"
            x = Block(s, width, 1 if stage == 1 else 2, self.dtype, name=f"{name}1")(x, train)
            if blocks > STACKED_FROM and not imagenet:
                # All blocks but the first have one shape.
                x = Stack(s, width, blocks - 1, self.dtype, name=f"stage_{stage}_stack")(x, train)
                continue
            for block in range(2, blocks + 1):
                x = Block(s, width, 1, self.dtype, name=f"{name}{block}")(x, train)
        self.sow("intermediates", "features", x)
        x = x.mean((1, 2))
        return Head(s.classes, self.dtype, self.transfer, name="head")(x)


def build(shape: ResNet, *, dtype: Any = jnp.float32, transfer: bool = True) -> ResNetClassifier:
    return ResNetClassifier(shape, dtype, transfer)


rate_multipliers = of_images(build)
