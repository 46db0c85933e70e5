"""One run over several devices: a mesh of them, and where host arrays go on it.

Inside `over(devices)` the same training program is compiled for the mesh: examples of a batch are
split over both axes, "data" and "fsdp"; parameters and optimiser state over "fsdp"
(`scaling.models.spread` says how, leaf by leaf). The devices may belong to several processes, all
of which run the same program on the same numbers. On one device all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from scaling.errors import InputError
from scaling.grid import Cell, Devices
from scaling.models import spread


@contextmanager
def over(devices: Devices) -> Iterator[None]:
    """Programs that are traced and called inside are spread over so many devices.

    Raises InputError where the machine (or all processes together) has fewer.
    """
    if devices.count == 1:
        yield
        return
    there = jax.devices()
    if devices.count > len(there):
        raise InputError(
            f"[devices] data = {devices.data}, fsdp = {devices.fsdp}: {devices.count} devices, "
            f"and there are {len(there)} ({there[0].platform}, {jax.process_count()} processes)"
        )
    # Neighbours share the state: they exchange the most.
    chosen = np.array(there[: devices.count]).reshape(devices.data, devices.fsdp)
    with jax.set_mesh(Mesh(chosen, spread.AXES)):
        yield


def check(cell: Cell, params: Any) -> None:
    """Raises InputError where `fsdp` divides no parameter: the mesh would save no memory."""
    parts = cell.devices.fsdp
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    if parts > 1 and all(spread.split_axis(shape, parts) is None for shape in shapes):
        lengths = sorted({length for shape in shapes for length in shape})
        raise InputError(
            f"[devices] fsdp = {parts} divides no parameter of this {cell.family} with "
            f"{spread.SMALLEST_SPLIT} entries or more; their axes are {lengths}"
        )


def even(batch: int) -> int:
    """The largest batch, not above `batch`, that the devices divide; `batch` if it is too small."""
    parts = max(1, jax.sharding.get_mesh().size)
    return batch - batch % parts if batch > parts else batch


def everywhere(arrays: Any) -> Any:
    """Arrays of the host, whole on every device."""
    return _put(arrays, lambda array: spread.WHOLE)


def by_example(arrays: Any) -> Any:
    """A batch of the host, [examples, ...], each device with its part."""
    parts = max(1, jax.sharding.get_mesh().size)
    return _put(arrays, lambda a: spread.EXAMPLES if len(a) % parts == 0 else spread.WHOLE)


def by_parameter(state: Any) -> Any:
    """A training state of the host, as the program leaves it on the devices."""
    parts = dict(jax.sharding.get_mesh().shape).get(spread.FSDP, 1)
    return _put(state, lambda array: spread.of_parameter(array.shape, parts))


def _put(arrays: Any, lies: Callable[[Any], PartitionSpec]) -> Any:
    mesh = jax.sharding.get_mesh()
    if mesh.empty:
        return jax.tree.map(jax.numpy.asarray, arrays)

    def put(array: Any) -> jax.Array:
        # Each process has all of it and gives its devices their parts.
        host = np.asarray(array)
        sharding = NamedSharding(mesh, lies(host))
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, arrays)
