"""The convolution of every convolutional layer, in the form that is fastest where it runs.

Accelerators get XLA's own convolution and its gradients. XLA's CPU compiler has fast convolutions
too (YNNPACK's, else Eigen's), but meets many of them in forms that it runs in naive loops; what
is written here for a CPU was measured on one core, float32, with jax 0.10 (times in milliseconds,
batch of 64; a step of a training loop is what matters, so all inside `lax.scan`):

- Gradients. JAX writes both with permuted dimensions, which the compiler puts in order in a
  program's outermost computation only. Inside a loop, 32 to 32 channels of 14 x 14 pixels took 93
  by the input and 177 by the kernel. Written in order to begin with: 2.3 and 3.6, in and out of a
  loop. So nothing is left of what made convolutions in a scan slow.
- Stride. By the input, one convolution for each phase of the stride (1.6) instead of one over
  gradients spread out with zeros (2.4).
- Few channels. YNNPACK takes none with 16 or fewer on both sides, Eigen is slow at those, and
  both at three channels. With the channels of neighbouring pixels side by side: 1 to 8 channels
  of 28 x 28 pixels 2.6 -> 0.4, 8 to 8 3.1 -> 2.0, 16 to 16 4.9 -> 3.9, 3 to 24 10.5 -> 1.4.
- Slower everywhere: patches, then one matrix product (im2col; 2 to 10 times), a sum of k x k
  matrix products (2 to 5 times).

Shapes: B batch, H height, W width, C input channels, O output channels, k kernel.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from scaling.models import spread
from scaling.models.product import product

Array = jax.Array
Edges = tuple[int, int]
LAYOUT = ("NHWC", "HWIO", "NHWC")
# Channels, on the wider side, up to which YNNPACK leaves a convolution to Eigen.
NARROW = 16
# Three channels (colours) are slow up to this many outputs.
NARROW_COLOUR = 32


def convolution(
    x: Array, kernel: Array, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Array:
    """x [B, H, W, C] by kernel [k, k, C / groups, O] -> [B, H', W', O]; `padding` zeros on each
    edge."""
    form = _on_cpu if jax.default_backend() == "cpu" else plain_convolution
    return spread.apply(partial(form, stride=stride, padding=padding, groups=groups), x, kernel)


def plain_convolution(
    x: Array, kernel: Array, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Array:
    """The same as JAX writes it, gradients too: a trace of it counts each multiply-add once."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def _on_cpu(x: Array, kernel: Array, *, stride: int, padding: int, groups: int) -> Array:
    if groups > 1:
        parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
        one_group = partial(_on_cpu, stride=stride, padding=padding, groups=1)
        return jnp.concatenate([one_group(a, k) for a, k in parts], -1)
    if kernel.shape[:2] == (1, 1) and not padding:
        # Pixels that are skipped are dropped first; the rest is a matrix product.
        return product(x[:, ::stride, ::stride], kernel[0, 0])
    return _ordered(x, kernel, stride, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _ordered(x: Array, kernel: Array, stride: int, padding: int) -> Array:
    """The convolution of one group whose gradients are convolutions in order of dimensions."""
    if stride > 1:
        return plain_convolution(x, kernel, stride=stride, padding=padding)
    return _correlate(x, kernel, (padding, padding), (padding, padding))


def _forward(x: Array, kernel: Array, stride: int, padding: int) -> tuple[Array, Any]:
    return _ordered(x, kernel, stride, padding), (x, kernel)


def _backward(stride: int, padding: int, saved: Any, by_output: Array) -> tuple[Array, Array]:
    x, kernel = saved
    return (
        _by_input(by_output, kernel, stride, padding, x.shape),
        _by_kernel(by_output, x, stride, padding, kernel.shape),
    )


_ordered.defvjp(_forward, _backward)


def _by_kernel(by_output: Array, x: Array, stride: int, padding: int, shape: Any) -> Array:
    """Channels take the place of the batch, and the batch that of the channels."""

    def edges(axis: int) -> Edges:
        span = stride * (by_output.shape[axis] - 1) + 1
        return padding, shape[axis - 1] - 1 + span - x.shape[axis] - padding

    by_kernel_CkkO = jax.lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        by_output.transpose(1, 2, 0, 3),
        (1, 1),
        (edges(1), edges(2)),
        rhs_dilation=(stride, stride),
        dimension_numbers=LAYOUT,
    )
    return by_kernel_CkkO.transpose(1, 2, 0, 3)


def _by_input(by_output: Array, kernel: Array, stride: int, padding: int, shape: Any) -> Array:
    """Pixels s q + a (s stride, a phase) meet every s-th row and column of the kernel only: each
    phase is a convolution of its own, and the phases interleave to the image."""
    B, H, W, C = shape
    rows, columns = -(-H // stride), -(-W // stride)

    def taps(phase: int, size: int, outputs: int, pixels: int) -> tuple[slice, Edges, int]:
        """The kernel's taps that a phase meets, the padding that aligns them, their number."""
        first = (phase + padding) % stride
        count = len(range(first, size, stride))
        low = count - 1 - (phase + padding) // stride
        return slice(first, None, stride), (low, pixels + count - 1 - outputs - low), count

    def part(a: int, b: int) -> Array:
        height, edges_h, count_h = taps(a, kernel.shape[0], by_output.shape[1], rows)
        width, edges_w, count_w = taps(b, kernel.shape[1], by_output.shape[2], columns)
        if not count_h * count_w:
            return jnp.zeros((B, rows, columns, C), by_output.dtype)
        met = jnp.flip(kernel[height, width], (0, 1)).swapaxes(2, 3)
        return _correlate(by_output, met, edges_h, edges_w)

    if stride == 1:
        return part(0, 0)
    lines = [jnp.stack([part(a, b) for b in range(stride)], 3) for a in range(stride)]
    interleaved = jnp.stack(lines, 2).reshape(B, rows * stride, columns * stride, C)
    return interleaved[:, :H, :W]


def _correlate(x: Array, kernel: Array, edges_h: Edges, edges_w: Edges) -> Array:
    """Stride 1; `edges`: zeros before and after, negative where pixels are cut off.

    They are cut off here: XLA's CPU convolution (JAX 0.10) reads beyond a row that its own negative
    padding empties.
    """
    if min(*edges_h, *edges_w) < 0:
        cut = [(min(low, 0), min(high, 0), 0) for low, high in (edges_h, edges_w)]
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *cut, (0, 0, 0)))
        edges_h = max(edges_h[0], 0), max(edges_h[1], 0)
        edges_w = max(edges_w[0], 0), max(edges_w[1], 0)
    packed = _packed_pixels(*kernel.shape[2:])
    if packed > 1:
        return _correlate_packed(x, kernel, edges_h, edges_w, packed)
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), (edges_h, edges_w), dimension_numbers=LAYOUT
    )


def _packed_pixels(inputs: int, outputs: int) -> int:
    """How many neighbouring pixels to take together."""
    if inputs == 3 and NARROW < outputs <= NARROW_COLOUR:
        return 2
    packed = 1
    while packed * max(inputs, outputs) <= NARROW:
        packed *= 2
    return packed


def _correlate_packed(
    x: Array, kernel: Array, edges_h: Edges, edges_w: Edges, packed: int
) -> Array:
    """`packed` neighbours of a row become one pixel of `packed` times the channels; the kernel
    holds the taps of each of them, and zeros."""
    B, H, W, C = x.shape
    height, width, _, outputs = kernel.shape
    columns = W + sum(edges_w) - width + 1
    blocks, seen = -(-columns // packed), 1 + -(-(width - 1) // packed)
    after = packed * (blocks + seen - 1) - W - edges_w[0]
    x = jax.lax.pad(
        x, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), (edges_w[0], after, 0), (0, 0, 0))
    )
    x = x.reshape(B, H, blocks + seen - 1, packed * C)
    spread = jnp.pad(kernel, ((0, 0), (packed - 1, packed * seen - width), (0, 0), (0, 0)))
    shifted = [spread[:, first : first + packed * seen] for first in range(packed - 1, -1, -1)]
    # [k, pixels seen, C, pixel, O]: the pixels seen and their channels are the packed channels.
    kernel = jnp.stack(shifted, -2).reshape(height, seen, packed * C, packed * outputs)
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), (edges_h, (0, 0)), dimension_numbers=LAYOUT)
    return y.reshape(B, -1, packed * blocks, outputs)[:, :, :columns]
