"""How a layer's arrays lie where a run is spread over several devices.

The devices form a mesh of the axes "data" and "fsdp" (`scaling.train.mesh`). Examples are split
over both; parameters lie split over "fsdp" and are gathered where a layer uses them. This is said
at every product and convolution: the compiler, left to itself, follows a split parameter and splits
the width of activations, which it then exchanges. Without a mesh nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, TypeVar

import jax
from jax.sharding import PartitionSpec

Array = jax.Array
Tree = TypeVar("Tree")
Bilinear = Callable[[Array, Array], Array]
DATA, FSDP = AXES = ("data", "fsdp")
# Smaller parameters (gains, biases) lie whole on every device: splitting them saves nothing.
SMALLEST_SPLIT = 1024
EXAMPLES, WHOLE = PartitionSpec(AXES), PartitionSpec()


def spread() -> bool:
    """Whether what is traced now is for a mesh, and not for one device's part of it."""
    mesh = jax.sharding.get_abstract_mesh()
    return not mesh.empty and not mesh.manual_axes


def of_parameter(shape: Sequence[int], parts: int) -> PartitionSpec:
    """Over "fsdp" along the axis of `split_axis`; whole where there is none."""
    axis = split_axis(shape, parts)
    return WHOLE if axis is None else PartitionSpec(*[None] * axis, FSDP)


def split_axis(shape: Sequence[int], parts: int) -> int | None:
    """The longer of the last two axes that `parts` divides: those before count experts, blocks of
    a loop or a kernel's pixels, of which a layer takes some."""
    last_two = range(max(0, len(shape) - 2), len(shape))
    fitting = [axis for axis in last_two if shape[axis] % parts == 0]
    if parts == 1 or prod(shape) < SMALLEST_SPLIT or not fitting:
        return None
    return max(fitting, key=lambda axis: shape[axis])


def by_parameter(tree: Tree) -> Tree:
    """A training state, each leaf where `of_parameter` says."""
    if not spread():
        return tree
    parts = jax.sharding.get_abstract_mesh().shape[FSDP]

    def place(leaf: Array) -> Array:
        lies = of_parameter(leaf.shape, parts)
        placed: Array = jax.lax.with_sharding_constraint(leaf, lies)
        return placed

    split: Tree = jax.tree.map(place, tree)
    return split


def whole(tree: Tree) -> Tree:
    """Arrays gathered on every device: what the host is to read."""
    if not spread():
        return tree
    gathered: Tree = jax.tree.map(lambda a: jax.lax.with_sharding_constraint(a, WHOLE), tree)
    return gathered


def by_example(x: Array) -> Array:
    """`x` [examples, ...] split along its first axis; whole where the devices don't divide it."""
    if not spread():
        return x
    even = len(x) % jax.sharding.get_abstract_mesh().size == 0
    split: Array = jax.lax.with_sharding_constraint(x, EXAMPLES if even else WHOLE)
    return split


def apply(op: Bilinear, x: Array, w: Array) -> Array:
    """`op(x, w)`, linear in each: of examples x by a parameter w."""
    if not spread():
        return op(x, w)
    if len(x) % jax.sharding.get_abstract_mesh().size:
        return op(x, whole(w))
    return _apply(op, x, w)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _apply(op: Bilinear, x: Array, w: Array) -> Array:
    of_w, axis = _lies(w)

    def local(x: Array, w: Array) -> Array:
        return op(x, _gathered(w, axis))

    y: Array = _on_each(local, (EXAMPLES, of_w), EXAMPLES)(x, w)
    return y


def _forward(op: Bilinear, x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
    return _apply(op, x, w), (x, w)


def _backward(op: Bilinear, saved: tuple[Array, Array], by_output: Array) -> tuple[Array, Array]:
    """The parameter was kept split, and is gathered anew: only one layer's is ever whole. The
    barrier keeps the compiler from gathering it once for both passes."""
    of_w, axis = _lies(saved[1])

    def local(x: Array, w: Array, by_output: Array) -> tuple[Array, Array]:
        by_output, w = jax.lax.optimization_barrier((by_output, w))
        _, backward = jax.vjp(op, x, _gathered(w, axis))
        by_x, by_w = backward(by_output)
        return by_x, _summed(by_w, axis)

    each = _on_each(local, (EXAMPLES, of_w, EXAMPLES), (EXAMPLES, of_w))
    by_x, by_w = each(*saved, by_output)
    return by_x, by_w


_apply.defvjp(_forward, _backward)


def each_example(local: Callable[..., Array], *arrays: Array) -> Array:
    """`local(*arrays)` on each device for its examples: compilers don't split kernels."""
    even = spread() and len(arrays[0]) % jax.sharding.get_abstract_mesh().size == 0
    if not even:
        return local(*arrays)
    y: Array = _on_each(local, (EXAMPLES,) * len(arrays), EXAMPLES)(*arrays)
    return y


def _lies(w: Array) -> tuple[PartitionSpec, int | None]:
    parts = jax.sharding.get_abstract_mesh().shape[FSDP]
    return of_parameter(w.shape, parts), split_axis(w.shape, parts)


def _summed(by_w: Any, axis: int | None) -> Any:
    """The sum over all devices, of which each keeps its part."""
    if axis is None:
        return jax.lax.psum(by_w, AXES)
    by_w = jax.lax.psum_scatter(by_w, FSDP, scatter_dimension=axis, tiled=True)
    return jax.lax.psum(by_w, DATA)


def _gathered(w: Array, axis: int | None) -> Array:
    return w if axis is None else jax.lax.all_gather(w, FSDP, axis=axis, tiled=True)


def _on_each(local: Callable[..., Any], given: Any, returned: Any) -> Callable[..., Any]:
    return jax.shard_map(local, in_specs=given, out_specs=returned, check_vma=False)
