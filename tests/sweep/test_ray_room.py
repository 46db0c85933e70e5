"""What a call may ask of a Ray cluster; no Ray is needed for that."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep import executors
from scaling.sweep.executors import ray as ray_module
from scaling.sweep.executors.contract import Call, Needs
from scaling.sweep.executors.debug import Debug
from scaling.sweep.executors.ray_room import Settings, check, times
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store

# Larger arguments go into Ray's object store (its max_direct_call_object_size).
INLINE_BYTES = 100 * 1024

TWO = [{"CPU": 2.0, "memory": 4e9}, {"CPU": 2.0, "GPU": 1.0, "memory": 4e9}]


def test_a_process_takes_what_the_settings_say_of_it_and_of_each_device() -> None:
    settings = Settings(cpus=2, gpus=1, memory_gb=1.5, resources={"fast": 1})
    request = {"CPU": 2.0, "GPU": 4.0, "memory": 1.5e9, "fast": 1.0}
    assert settings.request(Needs(devices=4)) == request
    assert settings.platform == "gpu"
    assert Settings().request(Needs(devices=4)) == {"CPU": 1.0}, "they are simulated"
    assert Settings().platform == "cpu"
    assert Settings(resources={"TPU": 4}).platform == "tpu"


def test_a_share_of_a_gpu_is_a_share_of_its_memory_and_of_cpus_one_of_threads() -> None:
    assert Settings(gpus=0.5).environment() == {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450"}
    assert Settings(cpus=2.5).environment() == {"JAX_PLATFORMS": "cpu", "NPROC": "2"}
    given = Settings(env_vars={"NPROC": "8", "MINE": "1"}).environment()
    assert given == {"JAX_PLATFORMS": "cpu", "NPROC": "8", "MINE": "1"}
    with pytest.raises(InputError, match=r"gpus = 0\.75 for each of 2 devices are 1\.5; valid"):
        Settings(gpus=0.75).request(Needs(devices=2))


@pytest.mark.parametrize(
    ("request_", "processes", "placement", "lacks"),
    [
        ({"GPU": 2.0}, 1, "PACK", "asks for 2 GPU and the cluster has 1 GPU on 2 nodes; "),
        ({"CPU": 1.0, "TPU": 1.0}, 1, "PACK", "0 TPU on 2 nodes: no TPU; cpus, gpus"),
        ({"memory": 5e9}, 1, "PACK", "asks for 5 GB of memory and the cluster has 8 GB of memory"),
        ({"CPU": 2.0}, 3, "PACK", "2 CPU in each of 3 processes, placement PACK, and the cluster"),
        ({"CPU": 1.0}, 3, "STRICT_PACK", "placement STRICT_PACK"),
        ({"CPU": 1.0}, 3, "STRICT_SPREAD", "placement STRICT_SPREAD"),
    ],
)
def test_what_no_node_has_is_refused_with_what_there_is(
    request_: dict[str, float], processes: int, placement: str, lacks: str
) -> None:
    with pytest.raises(InputError, match=r"^executor ray: a call asks for ") as refused:
        check(request_, processes, placement, TWO)
    assert lacks in str(refused.value)


def test_what_some_nodes_have_is_not_refused() -> None:
    check({"CPU": 2.0, "GPU": 1.0}, 1, "PACK", TWO)
    check({"CPU": 1.0}, 4, "SPREAD", TWO)
    check({"CPU": 1.0}, 2, "STRICT_PACK", TWO)
    check({"CPU": 2.0}, 2, "STRICT_SPREAD", TWO)


@given(st.integers(1, 64), st.integers(1, 10_000))
def test_fractions_fit_as_often_as_ray_counts(count: int, ten_thousandths: int) -> None:
    amount = ten_thousandths / 10_000
    assert times({"GPU": amount}, {"GPU": count * amount}) == count


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"gpu": 1}, "gpu: unknown option; did you mean 'gpus'? valid: name, address, cpus, gpus"),
        ({"cpus": 0}, "cpus: "),
        ({"address": "http://here:80"}, 'address: must be "auto" or HOST:PORT'),
        ({"address": "here"}, 'address: must be "auto" or HOST:PORT'),
        ({"placement": "near"}, "placement: "),
    ],
)
def test_settings_are_checked(options: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as refused:
        executors.settings("ray", options)
    assert str(refused.value).startswith(f"executor ray: {told}")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^executor ray: Ray is not here: pip install "):
        executors.start("ray", {}, workers=1, hang_seconds=1)


class Listener(Debug):
    """Makes no call, and keeps them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        self.calls += calls
        raise KeyboardInterrupt


def test_orders_are_small_enough_to_travel_with_the_call(
    cells: list[Cell], grid: Grid, tmp_path: Path
) -> None:
    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        train(cells, grid.data, Store(tmp_path), listener, timings={})
    assert len(listener.calls) == 4
    assert max(len(pickle.dumps(call.args)) for call in listener.calls) < INLINE_BYTES / 4
