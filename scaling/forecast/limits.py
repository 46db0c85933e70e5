"""What else must hold of a run: a deadline, and what can be served. Each caps C or N.

Serving one token reads every weight once, so that a token takes at least bytes of weights over the
memory's bandwidth (Pope et al. 2022, arXiv:2211.05102, section 2); more devices divide the weights
among them. Batches, caches of keys and values, and the network between devices take more: a cap is
the largest N that could do, not one that will.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaling.devices import Device
from scaling.errors import InputError
from scaling.forecast.spending import Hardware

# Bytes of a weight as it is served.
BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "float8": 1.0, "int8": 1.0, "int4": 0.5}
_MILLI = 1e-3


@dataclass(frozen=True)
class Cap:
    """The most that `on` may be. asked: the limit as it was given; why: how the cap follows."""

    on: Literal["C", "N"]
    most: float
    asked: str
    why: str

    def __str__(self) -> str:
        unit = " FLOPs" if self.on == "C" else ""
        return f"{self.asked} caps {self.on} at {self.most:.4g}{unit} ({self.why})"


def deadline(hardware: Hardware, days: float) -> Cap:
    """The compute that so many days leave on these devices, at the MFU reckoned with."""
    most = hardware.flops("days", days).point
    why = f"{hardware.count:,} x {hardware.device.name} at MFU {hardware.mfu.point:.3g}"
    return Cap("C", most, f"a deadline of {days:g} days", why)


def latency(device: Device, milliseconds: float, precision: str, count: int = 1) -> Cap:
    """The N whose weights `count` devices read in that time, once for a token."""
    _positive("latency", milliseconds, "milliseconds a token")
    weight = bytes_of(precision)
    most = device.bandwidth * count * milliseconds * _MILLI / weight
    why = f"{weight:g} bytes a weight, read at {device.bandwidth * count / 1e12:.4g} TB/s by "
    why += f"{count:,} x {device.name}"
    return Cap("N", most, f"a latency of {milliseconds:g} ms a token", why)


def memory(room: float, precision: str, of: str) -> Cap:
    """The N whose weights take `room` bytes. of: whose memory that is."""
    _positive("memory", room, "bytes")
    weight = bytes_of(precision)
    asked = f"a memory of {room / 1e9:.4g} GB"
    return Cap("N", room / weight, asked, f"{weight:g} bytes a weight, {of}; weights alone")


def bytes_of(precision: str) -> float:
    """Of a weight. Raises InputError that lists what there is."""
    if precision not in BYTES:
        raise InputError(f"precision {precision!r} to serve in; valid: {', '.join(BYTES)}")
    return BYTES[precision]


def _positive(name: str, value: float, unit: str) -> None:
    if not 0 < value < float("inf"):
        raise InputError(f"{name} {value:g}: must be a finite number of {unit} above 0")
