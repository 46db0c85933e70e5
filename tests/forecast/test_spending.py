"""FLOPs against device-hours, days, dollars and kWh; where MFU and prices come from."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.devices import CATALOGUE, PRICES, device
from scaling.errors import InputError
from scaling.forecast.limits import BYTES, deadline, latency, memory
from scaling.forecast.spending import ASSUMED, Hardware, Spend, Unit, Utilisation

H100 = device("H100-SXM")
UNITS: tuple[Unit, ...] = ("device_hours", "dollars", "days", "kwh")


def test_llama_3_by_its_own_mfu() -> None:
    """3.8e25 FLOPs on 16,384 H100 at 38 to 43 % (arXiv:2407.21783). The model card has 30.84 M
    GPU-hours for all that was done to the model."""
    hardware = Hardware.of(H100, count=16384, mfu=Utilisation.given(0.38, 0.43))
    spend = hardware.spend(3.8e25)
    assert spend.device_hours.q05 == pytest.approx(3.8e25 / (0.43 * 989.4e12 * 3600))
    assert 24.8e6 < spend.device_hours.q05 < spend.device_hours.q95 < 28.1e6
    assert 63 < spend.days.q05 < spend.days.q95 < 72


@given(
    C=st.floats(1e15, 1e28), mfu=st.floats(0.01, 1), count=st.integers(1, 10**6),
    price=st.floats(0.01, 1000), unit=st.sampled_from(UNITS), name=st.sampled_from(sorted(PRICES)),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_what_a_budget_costs_buys_that_budget(
    C: float, mfu: float, count: int, price: float, unit: Unit, name: str
) -> None:
    hardware = Hardware.of(device(name), count=count, mfu=Utilisation.given(mfu), price=price)
    spend = hardware.spend(C)
    amount = getattr(spend, unit)
    if amount is None:  # a maker that publishes no power
        assert (unit, hardware.device.watts) == ("kwh", None)
        return
    assert hardware.flops(unit, amount.point).point == pytest.approx(C, rel=1e-12)
    assert amount.q05 == amount.point == amount.q95


def test_a_range_of_mfu_is_an_interval_of_what_it_costs_or_of_what_it_buys() -> None:
    hardware = Hardware.of(H100, mfu=Utilisation.given(0.3, 0.5))
    spend = hardware.spend(1e22)
    assert spend.dollars is not None
    assert spend.dollars.q95 / spend.dollars.q05 == pytest.approx(0.5 / 0.3)
    bought = hardware.flops("dollars", 1000.0)
    assert bought.q95 / bought.q05 == pytest.approx(0.5 / 0.3)
    exact = hardware.spend(bought.point, bought=True)
    assert exact.dollars is not None
    assert exact.dollars.q05 == exact.dollars.q95 == pytest.approx(1000.0)
    assert Spend.from_dict(json.loads(json.dumps(_plain(spend)))) == spend


def _plain(spend: Spend) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(spend)


def test_energy_is_thermal_design_power_times_pue() -> None:
    spend = Hardware.of(H100, mfu=Utilisation.given(1.0), pue=1.25).spend(989.4e12 * 3600 * 10)
    assert spend.kwh is not None
    assert spend.kwh.point == pytest.approx(10 * 0.7 * 1.25)


def test_what_is_not_known_is_said() -> None:
    tpu = Hardware.of(device("TPU-v5p"))
    assert tpu.spend(1e20).kwh is None
    with pytest.raises(InputError, match="power of TPU-v5p is not published"):
        tpu.flops("kwh", 10.0)
    unpriced = Hardware.of(device("RTX-4090"))
    assert unpriced.spend(1e20).dollars is None
    with pytest.raises(InputError, match="no list price of RTX-4090 is known; give --price"):
        unpriced.flops("dollars", 10.0)
    told = " ".join(Hardware.of(H100).lines("counted"))
    for piece in ("counted from the models", "assumed: Llama 3", "us-east-1, 2026-08", "upper"):
        assert piece in told, piece
    assert "attention left out" in " ".join(Hardware.of(H100).lines("6ND"))
    assert Hardware.of(device("T4")).used_precision == "float16"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Utilisation.given(40.0), "MFU 40: must be a share"),
        (lambda: Utilisation.given(0.5, 0.3), r"MFU .* must be a share"),
        (lambda: Utilisation.given(0.0), "above 0"),
        (lambda: Hardware.of(H100, price=-2.0), "price -2: must be above 0"),
        (lambda: Hardware.of(H100, price=1e6), "at most 1000 dollars, of one device"),
        (lambda: Hardware.of(H100, pue=0.9), "PUE 0.9: must be from 1 to 3"),
        (lambda: Hardware.of(H100, count=0), "0 devices"),
        (lambda: Hardware.of(device("V100"), precision="bfloat16"), "V100 has no bfloat16"),
        (lambda: Hardware.of(H100, precision="float8"), "precision 'float8'; valid: float32"),
        (lambda: Hardware.of(H100).flops("days", float("inf")), "days = inf"),
        (lambda: memory(1e9, "int3", ""), "precision 'int3' to serve in; valid: float32"),
        (lambda: latency(H100, 0.0, "int8"), "latency 0: must be a finite number"),
    ],
)
def test_numbers_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_caps_follow_from_bandwidth_memory_and_time() -> None:
    # 70e9 weights of two bytes over 3.35 TB/s: 41.8 ms a token on one device, a quarter on four.
    assert latency(H100, 140e9 / 3.35e12 * 1e3, "bfloat16").most == pytest.approx(70e9)
    assert latency(H100, 10.0, "int8", 4).most == pytest.approx(4 * 3.35e12 * 0.01)
    assert memory(80e9, "bfloat16", "1 x H100-SXM").most == 40e9
    assert memory(80e9, "int4", "").most / memory(80e9, "float32", "").most == 8
    hardware = Hardware.of(H100, count=256)
    assert deadline(hardware, 30.0).most == hardware.flops("days", 30.0).point
    assert BYTES["float8"] == 1


def test_every_power_is_of_the_size_of_a_device() -> None:
    for entry in CATALOGUE:
        assert entry.watts is None or 50 <= entry.watts <= 1500
        best = max(entry.bfloat16 or 0, entry.float16 or 0)
        assert entry.watts is None or 2e11 < best / entry.watts < 5e12  # FLOPs a joule
    assert ASSUMED.point == 0.4
