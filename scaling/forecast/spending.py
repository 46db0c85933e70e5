"""Between FLOPs and what they cost on a device: device-hours, days, dollars, kWh.

One device-hour gives peak x MFU x 3600 FLOPs. MFU is model-FLOP utilisation (Chowdhery et al. 2022,
arXiv:2204.02311, appendix B): FLOPs of the model, nothing that is computed twice, over what the
device can do. Energy is bounded from above: the device's thermal design power throughout, times the
data centre's overhead (PUE).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from scaling.amounts import figure, money
from scaling.devices import ASSUMED_MFU, PRICES, Device, Precision, usual_precision
from scaling.errors import InputError
from scaling.forecast.interval import Interval

Unit = Literal["device_hours", "dollars", "days", "kwh"]

# Large operators' data centres: 1.1 (Google's fleet, 2021); the world's large ones averaged 1.57
# (Uptime Institute's survey of 2021). Both as CNBC reports them, 13 April 2022.
PUE = 1.1
_HOUR = 3600.0
_DEAREST = 1000.0  # dollars of a device-hour; a dearer one is a slip of the unit
_WASTEFUL = 3.0


@dataclass(frozen=True)
class Utilisation:
    """MFU, a share of a device's peak: the value reckoned with, the least and the most it may be,
    and where it comes from. Raises InputError for one that is no share."""

    point: float
    least: float
    most: float
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.point <= self.most <= 1:
            raise InputError(
                f"MFU {self.span}: must be a share of the device's peak, above 0 and at most 1, "
                "such as .4 or .35:.45"
            )

    @classmethod
    def given(cls, least: float, most: float | None = None) -> Utilisation:
        """One that the user gives: a value, or the ends of a range."""
        most = least if most is None else most
        return cls(0.5 * (least + most), least, most, "given")

    @property
    def span(self) -> str:
        return f"{self.point:.3g}" + (
            f" ({self.least:.3g} to {self.most:.3g})" if self.least != self.most else ""
        )


ASSUMED = Utilisation(
    ASSUMED_MFU, ASSUMED_MFU, ASSUMED_MFU,
    "assumed: Llama 3 405B reached .38 to .43 on H100 in bfloat16, arXiv:2407.21783",
)  # fmt: skip


_COUNTS = {
    "6ND": "6 N D, attention left out",
    "counted": "FLOPs counted from the models",
    "stated": "FLOPs as the law states them",
}


@dataclass(frozen=True)
class Spend:
    """What C FLOPs cost on so many devices. An interval spans the range of MFU that was given, from
    its most to its least; dollars and kWh are None where price or power is not known."""

    flops: float
    device_hours: Interval
    days: Interval
    dollars: Interval | None
    kwh: Interval | None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Spend:
        return cls(data["flops"], *(
            None if data[k] is None else Interval(**data[k])
            for k in ("device_hours", "days", "dollars", "kwh")
        ))  # type: ignore[arg-type]  # the first two are never None  # fmt: skip


@dataclass(frozen=True)
class Hardware:
    """Devices, how well they are used, and what an hour of one costs.

    price: dollars of a device-hour, None where it is not known; price_source: who asks it. Raises
    InputError for a number out of range, and for a precision that the device lacks.
    """

    device: Device
    count: int = 1
    mfu: Utilisation = ASSUMED
    precision: Precision | None = None
    price: float | None = None
    price_source: str = "given"
    pue: float = PUE

    def __post_init__(self) -> None:
        if self.precision not in (None, *get_args(Precision)):
            valid = ", ".join(get_args(Precision))
            raise InputError(f"precision {self.precision!r}; valid: {valid}")
        if self.count < 1:
            raise InputError(f"{self.count} devices: must be 1 or more")
        if self.price is not None and not 0 < self.price <= _DEAREST:
            raise InputError(
                f"price {self.price:g}: must be above 0 and at most {_DEAREST:g} dollars, of one "
                "device for one hour"
            )
        if not 1 <= self.pue <= _WASTEFUL:
            raise InputError(
                f"PUE {self.pue:g}: must be from 1 to {_WASTEFUL:g}, a data centre's power over "
                "that of its machines"
            )
        _ = self.peak

    @classmethod
    def of(cls, device: Device, *, price: float | None = None, **more: Any) -> Hardware:
        """With the dated list price of a cloud where none is given."""
        if price is None and (known := PRICES.get(device.name)) is not None:
            source = f"assumed: {known.source}, {known.month}"
            return cls(device, price=known.dollars, price_source=source, **more)
        return cls(device, price=price, **more)

    @property
    def used_precision(self) -> Precision:
        """As given; else the platform's usual one, float16 where a device has no bfloat16."""
        usual = usual_precision(self.device.platform)
        return self.precision or (usual if self.device.bfloat16 else "float16")

    @property
    def peak(self) -> float:
        return self.device.peak(self.used_precision)

    @property
    def dollars(self) -> float:
        """A device-hour's. Raises InputError where the price is not known."""
        if self.price is None:
            raise InputError(f"no list price of {self.device.name} is known; give --price")
        return self.price

    @property
    def kwh(self) -> float:
        """A device-hour's, at most. Raises InputError where the maker publishes no power."""
        if self.device.watts is None:
            raise InputError(f"the power of {self.device.name} is not published: its kWh are open")
        return self.device.watts / 1000 * self.pue

    def flops(self, unit: Unit, amount: float) -> Interval:
        """The FLOPs that an amount buys, from the least to the most MFU."""
        if not (np.isfinite(amount) and amount > 0):
            raise InputError(f"{unit} = {amount:g}: must be a finite number above 0")
        hours = {
            "device_hours": lambda: amount,
            "days": lambda: 24 * self.count * amount,
            "dollars": lambda: amount / self.dollars,
            "kwh": lambda: amount / self.kwh,
        }[unit]()
        full = hours * _HOUR * self.peak
        return Interval(self.mfu.point, self.mfu.least, self.mfu.most).scaled(full)

    def spend(self, C: float, *, bought: bool = False) -> Spend:
        """What C FLOPs cost. bought: C is what a budget gives at the MFU reckoned with, so that
        the cost is known and C is what a range of MFU leaves open."""
        full = C / (_HOUR * self.peak)
        best, worst = (self.mfu.point,) * 2 if bought else (self.mfu.most, self.mfu.least)
        hours = Interval(full / self.mfu.point, full / best, full / worst)
        return Spend(
            C,
            hours,
            hours.scaled(1 / (24 * self.count)),
            None if self.price is None else hours.scaled(self.price),
            None if self.device.watts is None else hours.scaled(self.kwh),
        )

    def lines(self, c_kind: str) -> tuple[str, ...]:
        """What a spend assumes, in words."""
        of = _COUNTS[c_kind]
        told = [
            f"{self.count:,} x {self.device.name}: {self.peak / 1e12:,.4g} TFLOP/s in "
            f"{self.used_precision} ({self.device.source}), MFU {self.mfu.span} of {of} "
            f"({self.mfu.source})"
        ]
        if self.price is None:
            told.append(f"no list price of {self.device.name} is known: --price sets one")
        else:
            told.append(f"{money(self.price)} a device-hour ({self.price_source})")
        if self.device.watts is None:
            told.append(f"the power of {self.device.name} is not published")
        else:
            told.append(
                f"kWh are an upper bound: {self.device.watts:g} W of thermal design power "
                f"throughout, times a PUE of {self.pue:g}"
            )
        return tuple(told)

    def to_dict(self) -> dict[str, Any]:
        own = {k: v for k, v in asdict(self).items() if k not in ("device", "precision")}
        facts = {"peak": self.peak, "watts": self.device.watts, "source": self.device.source}
        return {"device": self.device.name, "precision": self.used_precision, **facts, **own}


def in_words(spend: Spend, count: int) -> str:
    """Device-hours, days, dollars and kWh in a line."""
    parts = [f"{_spanned(spend.device_hours)} device-hours",
             f"{_spanned(spend.days)} days on {count:,}"]  # fmt: skip
    if spend.dollars is not None:
        parts.append(f"${_spanned(spend.dollars)}")
    if spend.kwh is not None:
        parts.append(f"<= {_spanned(spend.kwh)} kWh")
    return ", ".join(parts)


def _spanned(value: Interval) -> str:
    ends = f" [{figure(value.q05)}, {figure(value.q95)}]" if value.open else ""
    return f"{figure(value.point)}{ends}"
