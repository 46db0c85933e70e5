"""The catalogue of devices, and which one is here."""

from __future__ import annotations

import pytest

from scaling.devices import CATALOGUE, device, of_kind, platform
from scaling.errors import InputError


def test_every_device_is_found_by_its_name_and_by_what_jax_calls_it() -> None:
    for entry in CATALOGUE:
        assert device(entry.name) == device(entry.name.lower().replace("-", " ")) == entry
        assert all(of_kind(kind) == entry for kind in entry.kinds)
    assert of_kind("TPU v99") is None


def test_figures_have_a_source_and_the_size_of_what_they_are() -> None:
    for entry in CATALOGUE:
        assert entry.source
        rates = [r for r in (entry.bfloat16, entry.float16) if r]
        assert all(1e12 < entry.float32 <= rate < 1e16 for rate in rates)
        assert 1e10 < entry.memory_bytes < 1e12
        # Bytes a second: no device computes less than 10 FLOPs in the time of one byte.
        assert 10 < max(rates) / entry.bandwidth < 1000


def test_a_precision_that_a_device_lacks_is_an_error_that_lists_those_it_has() -> None:
    assert device("TPU-v5e").peak("bfloat16") == 197e12
    with pytest.raises(InputError, match="TPU-v5e has no float16; valid: float32, bfloat16"):
        device("TPU-v5e").peak("float16")
    with pytest.raises(InputError, match="V100 has no bfloat16; valid: float32, float16"):
        device("V100").peak("bfloat16")


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(InputError, match="nearest: A100-40GB, A100-80GB; valid: H100-SXM, "):
        device("A100")
    with pytest.raises(InputError, match="unknown device 'TPU-v5x'; nearest: TPU-v5"):
        device("TPU-v5x")


def test_what_jax_is_told_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, found in (("cuda,cpu", "gpu"), ("tpu", "tpu"), ("cpu", "cpu")):
        monkeypatch.setenv("JAX_PLATFORMS", asked)
        assert platform() == found
