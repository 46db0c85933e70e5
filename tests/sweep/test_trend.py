"""Runs of one size are compared while they train: who is like whom, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaling.grid import Cell, Data
from scaling.planned import plan_study
from scaling.sweep import run, work
from scaling.sweep.calibrate import calibrate
from scaling.sweep.executors.contract import Call
from scaling.sweep.executors.debug import Debug
from scaling.sweep.storing.store import Store


def test_like_a_trunk_are_those_of_its_size_batch_and_training_set(cells: list[Cell]) -> None:
    fewer = [replace(cell, D_unique=cell.D_unique // 2) for cell in cells]
    like = run._like([*cells, *fewer])
    by_id = {cell.id: cell for cell in [*cells, *fewer]}
    trunks = {cell.trunk: cell for cell in [*cells, *fewer]}
    assert set(like) == set(trunks)
    for trunk, others in like.items():
        (other,) = (by_id[run_id] for run_id in others)  # the other seed
        cell = trunks[trunk]
        assert other.trunk != trunk
        assert (other.shape, other.D_unique) == (cell.shape, cell.D_unique)
        assert other.steps == max(c.steps for c in by_id.values() if c.trunk == other.trunk)


def test_a_trend_is_of_finished_runs_and_of_two_at_least(cells: list[Cell], tmp_path: Path) -> None:
    store = Store(tmp_path)
    steps = np.arange(16, 160, 16)

    def save(cell: Cell, status: str, loss: float) -> None:
        curve = pd.DataFrame({"step": steps, "loss": np.full(len(steps), loss)})
        store.save(cell, {**cell.facts(), "status": status}, curve)

    names = [cell.id for cell in cells[:3]]
    save(cells[0], "finished", 2.0)
    assert work._trend(store, names) is None
    save(cells[1], "diverged", 9.0)
    assert work._trend(store, names) is None
    save(cells[2], "finished", 3.0)
    trend = work._trend(store, names)
    assert trend is not None
    assert trend.at(64) == pytest.approx(2.5)


def test_what_an_interrupted_calibration_has_measured_is_kept(
    cells: list[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))

    class OneThenInterrupted(Debug):
        """Its second call is Ctrl-C's moment."""

        def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
            first, second = Future[Any](), Future[Any]()
            key = calls[0].args[0].timing_key
            first.set_result((key, {"step": 1.0, "evaluation": 1.0, "start": 0.0}))
            second.set_exception(KeyboardInterrupt())
            return [first, second]

    with pytest.raises(KeyboardInterrupt):
        calibrate(cells, Data(), OneThenInterrupted)
    (stored,) = (tmp_path / "calibration").glob("*.json")
    assert list(json.loads(stored.read_text())["measured"]) == [cells[0].timing_key]


def test_what_is_done_is_not_timed(
    cells: list[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))

    def never() -> Debug:
        raise AssertionError("there is nothing to time")

    assert calibrate(cells, Data(), never, done=lambda: {cell.id for cell in cells}) == {}


def test_one_worker_a_gpu_times_the_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots: list[int] = []

    def calibrated(cells: Any, data: Any, start: Any, **rest: Any) -> dict[str, Any]:
        slots.append(start().slots)
        return {}

    monkeypatch.setattr("scaling.devices.local_gpus", lambda: ["0", "1"])
    monkeypatch.setattr("scaling.planned.calibrate", calibrated)
    grid = tmp_path / "grid.toml"
    grid.write_text(
        'name = "g"\n[data]\nsource = "digits"\n[model]\nfamily = "mlp"\n'
        "[[pilots]]\nwidths = [8]\nimages = [5e3]\n"
    )
    plan_study(grid, workers=16)
    assert slots == [2]
