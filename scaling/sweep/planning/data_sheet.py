"""How long a step takes on a device of the catalogue: by its data sheet, nothing measured. No JAX.

A step takes the longer of its FLOPs at `ASSUMED_MFU` of the device's peak, and of what it moves at
least to and from memory at the stated bandwidth: weights twice, gradients, moments, and what is
kept for the backward pass, each written and read.
"""

from __future__ import annotations

from collections.abc import Iterable

from scaling.devices import ASSUMED_MFU, Device
from scaling.families.memory import FLOAT32, MOMENTS
from scaling.grid import Cell


def timings(cells: Iterable[Cell], device: Device) -> dict[str, dict[str, float]]:
    """By `cell.timing_key`, as calibrations are: seconds of a step. Evaluations and compilation are
    left out."""
    found: dict[str, dict[str, float]] = {}
    for cell in cells:
        key = cell.timing_key
        if key not in found:
            found[key] = {"step": _step_seconds(cell, device), "evaluation": 0.0, "start": 0.0}
    return found


def _step_seconds(cell: Cell, device: Device) -> float:
    """Of a cell that is spread over devices like this one, one of each part of its mesh."""
    use = cell.use(device.platform)
    count = use.data * use.fsdp
    flops = cell.shape.computed_flops(cell.batch, remat=use.remat) / count
    weights = FLOAT32 * cell.shape.N_total * (6 + 2 * MOMENTS[use.optimiser]) / use.fsdp
    kept = sum(layer.saved for layer in cell.shape.layers()) * cell.batch / cell.shape.units
    moved = weights + 2 * use.activation_bytes * kept / count
    computing = flops / (ASSUMED_MFU * device.peak(use.precision))
    return max(computing, moved / device.bandwidth)
