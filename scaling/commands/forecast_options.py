"""Options of `scaling forecast` about money, time, machines and limits, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands import completion
from scaling.errors import InputError
from scaling.terminal import number

if TYPE_CHECKING:
    from scaling.forecast.limits import Cap
    from scaling.forecast.spending import Hardware, Unit, Utilisation

ComputeOption = Annotated[
    list[float] | None,
    typer.Option(parser=number, metavar="NUMBER", help="Training FLOPs (repeatable)."),
]
DeviceHoursOption = Annotated[
    float | None,
    typer.Option("--gpu-hours", "--device-hours", parser=number, metavar="NUMBER",
                 help="Device-hours to spend on --device."),
]  # fmt: skip
DollarsOption = Annotated[
    float | None, typer.Option(parser=number, metavar="NUMBER", help="Dollars to spend.")
]
DaysOption = Annotated[
    float | None, typer.Option(parser=number, metavar="NUMBER", help="Days on all --devices.")
]
KwhOption = Annotated[
    float | None, typer.Option("--kwh", parser=number, metavar="NUMBER", help="Energy to spend.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Of the catalogue, such as H100-SXM.",
        autocompletion=completion.devices,
    ),
]
DevicesOption = Annotated[int, typer.Option("--devices", help="How many of them.")]
MfuOption = Annotated[
    str | None,
    typer.Option(
        "--mfu",
        metavar="SHARE[:SHARE]",
        help="Model-FLOP utilisation, .4 or a range .35:.45; by default assumed.",
    ),
]
MfuFromOption = Annotated[
    str | None, typer.Option(metavar="DIR", help="MFU as the runs of a study measured it.")
]
PriceOption = Annotated[
    float | None,
    typer.Option(help="Dollars of a device-hour; by default a cloud's dated list price."),
]
PrecisionOption = Annotated[
    str | None, typer.Option(help="Of training: bfloat16, float16 or float32.")
]
PueOption = Annotated[
    float | None, typer.Option("--pue", help="The data centre's power over its machines'.")
]
WithinOption = Annotated[
    float | None,
    typer.Option(parser=number, metavar="NUMBER", help="A deadline on all --devices: caps C."),
]
LatencyOption = Annotated[
    float | None,
    typer.Option(metavar="MS", help="Of one token when served, by memory bandwidth: caps N."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="GB|device",
        help="For the weights when served; `device`: of the devices served on: caps N.",
    ),
]
ServePrecisionOption = Annotated[
    str, typer.Option(help="Of weights when served: float32, bfloat16, float8, int8, int4.")
]
ServeDeviceOption = Annotated[
    str | None, typer.Option(help="What is served on; by default --device.")
]
ServeDevicesOption = Annotated[int, typer.Option(min=1, help="How many share the weights.")]
RatesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rates",
        metavar="NAME|FILE",
        help="Laws of rate and batch: steplaw2025, deepseek2024, or a file of `scaling rates "
        "--save` (repeatable; `none`: no recipe).",
    ),
]
FrontierOption = Annotated[
    str | None,
    typer.Option("--frontier", metavar="LOW:HIGH[:COUNT]", help="Budgets in FLOPs, as a table."),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="TABLE",
        help="A run table with configurations: the nearest buildable one, for sources without.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Rows as .csv, .parquet or .json."),
]

_COUNT = 10  # budgets of a frontier
_MOST = 10_000


def hardware_of(
    device: str | None,
    devices: int,
    mfu: str | None,
    mfu_from: str | None,
    price: float | None,
    precision: str | None,
    pue: float | None,
) -> Hardware | None:
    """The machines that the options name; None where they name none."""
    asked: Mapping[str, object] = {
        "--mfu": mfu, "--mfu-from": mfu_from, "--price": price, "--precision": precision,
        "--pue": pue, "--devices": None if devices == 1 else devices,
    }  # fmt: skip
    if device is None:
        if idle := [name for name, value in asked.items() if value is not None]:
            raise InputError(f"{' and '.join(idle)}: needs --device, such as --device H100-SXM")
        return None
    from scaling.devices import device as known
    from scaling.forecast.spending import ASSUMED, PUE, Hardware

    if mfu is not None and mfu_from is not None:
        raise InputError("--mfu and --mfu-from: both set the utilisation; choose one")
    used = _mfu(mfu) if mfu is not None else ASSUMED if mfu_from is None else _measured(mfu_from)
    return Hardware.of(
        known(device),
        count=devices,
        mfu=used,
        precision=precision,
        price=price,
        pue=PUE if pue is None else pue,
    )


def bought_with(
    amounts: Mapping[str, float | None], hardware: Hardware | None
) -> tuple[str, float | None, tuple[float, ...]]:
    """The option that sets a budget in another unit, its FLOPs, and those at the ends of a range of
    MFU; None of FLOPs where no such option is given.

    amounts: by option, without dashes.
    """
    given = {name: value for name, value in amounts.items() if value is not None}
    if not given:
        return "", None, ()
    if len(given) > 1:
        first, second = list(given)[:2]
        raise InputError(f"--{first} and --{second}: both set the budget; choose one")
    ((name, value),) = given.items()
    if hardware is None:
        raise InputError(f"--{name}: needs --device, such as --device H100-SXM")
    C = hardware.flops(_UNITS[name], value)
    return name, C.point, (C.q05, C.q95) if C.open else ()


_UNITS: Mapping[str, Unit] = {
    "gpu-hours": "device_hours", "dollars": "dollars", "days": "days", "kwh": "kwh",
}  # fmt: skip


def budgets_of(
    compute: list[float] | None,
    flops_per_second: float | None,
    hours: float | None,
    frontier: str | None,
    unit: str,
    bought: float | None,
    in_time: float | None,
) -> list[float]:
    """All budgets in FLOPs; of one kind. bought: what the option `unit` gives; in_time: what a
    deadline alone leaves."""
    from scaling.forecast import budget

    if (flops_per_second is None) != (hours is None):
        raise InputError("--flops-per-second and --hours belong together; one is missing")
    kinds: dict[str, list[float]] = {}
    if compute:
        kinds["--compute"] = list(compute)
    if flops_per_second is not None and hours is not None:
        kinds["--flops-per-second"] = [budget(flops_per_second, hours)]
    if frontier is not None:
        kinds["--frontier"] = frontier_of(frontier)
    if bought is not None:
        kinds[f"--{unit}"] = [bought]
    if len(kinds) > 1:
        first, second = list(kinds)[:2]
        raise InputError(f"{first} and {second}: both set the budget; choose one")
    return next(iter(kinds.values()), [] if in_time is None else [in_time])


def caps_of(
    hardware: Hardware | None,
    within_days: float | None,
    max_latency_ms: float | None,
    max_memory: str | None,
    serve_precision: str,
    serve_device: str | None,
    serve_devices: int,
) -> list[Cap]:
    """The limits that the options set."""
    from scaling.devices import device as known
    from scaling.forecast.limits import deadline, latency, memory

    served = hardware.device if hardware is not None else None
    served = known(serve_device) if serve_device is not None else served
    caps = []
    if within_days is not None:
        if hardware is None:
            raise InputError("--within-days: needs --device, such as --device H100-SXM")
        caps.append(deadline(hardware, within_days))
    if max_latency_ms is not None:
        if served is None:
            raise InputError("--max-latency-ms: needs --serve-device or --device")
        caps.append(latency(served, max_latency_ms, serve_precision, serve_devices))
    if max_memory == "device":
        if served is None:
            raise InputError("--max-memory device: needs --serve-device or --device")
        room, of = served.memory_bytes * serve_devices, f"{serve_devices:,} x {served.name}"
        caps.append(memory(room, serve_precision, of))
    elif max_memory is not None:
        caps.append(memory(number(max_memory) * 1e9, serve_precision, "as given"))
    return caps


def frontier_of(text: str) -> list[float]:
    """`1e20:1e25` or `1e20:1e25:30` as budgets, evenly spaced in their logarithm."""
    import numpy as np

    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise InputError(f"--frontier {text!r}: write LOW:HIGH or LOW:HIGH:COUNT, as 1e20:1e25:11")
    low, high = number(parts[0]), number(parts[1])
    count = number(parts[2]) if len(parts) == 3 else _COUNT
    if not (0 < low < high < float("inf")):
        raise InputError(f"--frontier {text!r}: LOW must be above 0 and below HIGH, both finite")
    if not (2 <= count <= _MOST and count == int(count)):
        raise InputError(f"--frontier {text!r}: COUNT must be a whole number from 2 to {_MOST:,}")
    return [float(C) for C in np.geomspace(low, high, int(count))]


def _mfu(text: str) -> Utilisation:
    from scaling.forecast.spending import Utilisation

    least, colon, most = text.partition(":")
    return Utilisation.given(number(least), number(most) if colon else None)


def _measured(folder: str) -> Utilisation:
    from scaling.forecast.spending import Utilisation
    from scaling.sweep.standing.utilisation import utilisation

    found = utilisation(folder)
    told = f"measured by {found.runs:,} runs of {folder}; the range leaves out 5 % on either side"
    return Utilisation(found.point, found.least, found.most, told)
