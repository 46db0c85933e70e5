"""A run over eight simulated devices is the run on one device, and each device holds its part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.grid import Cell, Devices
from scaling.models import spread
from scaling.train import mesh
from scaling.train.step import Program

HERE = Path(__file__).parent
# Sums over a batch are taken in another order, nothing else differs.
FLOAT_ERROR = 1e-5
QUICK = ["microbatches", "images", "stream"]
# Experts and pairs compile for as long as the others together.
KINDS = [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("experts", "pairs"))]


def lines_of(script: str, *arguments: str, timeout: float = 1800) -> list[Any]:
    """What a script prints on eight simulated devices, in a process of its own."""
    simulated = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        env={**os.environ, "XLA_FLAGS": simulated, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def runs_of() -> Callable[[str], list[dict[str, Any]]]:
    """The runs of a kind, on one device and on eight."""

    @cache
    def together(*kinds: str) -> dict[str, Any]:
        return {one["case"]: one["runs"] for one in lines_of("spread_runs.py", "2", "4", *kinds)}

    def of(kind: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = together(*(QUICK if kind in QUICK else [kind]))[kind]
        return runs

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_eight_devices_train_as_one_does(
    runs_of: Callable[[str], list[dict[str, Any]]], kind: str
) -> None:
    alone, together = runs_of(kind)
    assert together["status"] == alone["status"] == "finished"
    np.testing.assert_allclose(together["curve"], alone["curve"], rtol=FLOAT_ERROR)
    for loss in ("loss", "train_loss"):
        assert together[loss] == pytest.approx(alone[loss], rel=FLOAT_ERROR)
    assert together["metrics"] == pytest.approx(alone["metrics"], rel=FLOAT_ERROR)
    assert alone["curve"][-1] < 0.98 * alone["curve"][0]  # it has learnt


@pytest.mark.parametrize("kind", KINDS)
def test_each_device_holds_its_part(
    runs_of: Callable[[str], list[dict[str, Any]]], kind: str
) -> None:
    alone, together = (run["state"] for run in runs_of(kind))
    # Exactly what the leaves' axes say.
    assert together["held"] == together["said"] < alone["held"] == alone["said"]


def test_memory_falls_as_predicted() -> None:
    (told,) = lines_of("spread_memory.py", "2", "4")
    assert told["predicted"] == pytest.approx(told["held"], rel=0.15)
    assert told["held"] < 0.2 * told["alone"]
    assert told["gathers"]  # of parameters; activations are never exchanged
    assert not told["exchanges"]


def test_a_checkpoint_moves_to_another_mesh(tmp_path: Path) -> None:
    (told,) = lines_of("sharded_states.py", str(tmp_path))
    assert told == {"same": True, "parts": 2, "fewer leaves": None, "missing": None}


@given(
    shape=st.lists(st.integers(1, 96), min_size=0, max_size=4), parts=st.sampled_from([1, 2, 3, 8])
)
def test_a_parameter_is_split_along_an_axis_that_divides(shape: list[int], parts: int) -> None:
    axis = spread.split_axis(shape, parts)
    large = np.prod(shape) >= spread.SMALLEST_SPLIT
    if axis is None:
        assert parts == 1 or not large or all(n % parts for n in shape[-2:])
    else:
        assert shape[axis] % parts == 0
        assert axis >= len(shape) - 2
        assert large


def test_more_devices_than_there_are_is_an_error() -> None:
    told = r"data = 64, fsdp = 2: 128 devices, and there are \d+ \(cpu, 1 processes\)"
    with pytest.raises(InputError, match=told), mesh.over(Devices(data=64, fsdp=2)):
        pass


def test_a_mesh_that_divides_no_parameter_is_an_error(cell: Cell) -> None:
    program = Program(cell.family, cell.shape, cell.recipe)
    params = jax.eval_shape(program.init, jax.random.key(0)).params
    object.__setattr__(cell, "devices", Devices(fsdp=7))
    with pytest.raises(InputError, match="fsdp = 7 divides no parameter of this transformer"):
        mesh.check(cell, params)


def test_without_a_mesh_arrays_stay_as_they_are() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert spread.by_example(x) is x
    assert spread.whole({"x": x})["x"] is x
    assert mesh.even(250) == 250
    assert mesh.everywhere({"x": x})["x"].sharding.is_fully_replicated
