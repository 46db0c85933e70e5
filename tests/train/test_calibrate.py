"""Timings: measured by the program that trains, kept by machine and shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scaling.data import Corpus
from scaling.grid import Cell
from scaling.train import calibrate

REAL = calibrate.machine()
TIMING = {"step": 0.001, "evaluation": 0.1, "start": 1.0}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_measured_seconds_are_positive(
    cell: Cell, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "MEASURE_SECONDS", 0.01)
    timing = calibrate.measure(cell, corpus)
    assert set(timing) == {"step", "evaluation", "start"}
    assert 0 < timing["step"] < 1
    assert timing["evaluation"] > 0
    assert timing["start"] >= 0


def test_timings_are_kept_by_shape_and_added_to(cell: Cell, cache: Path) -> None:
    other = replace(cell, recipe=cell.recipe.model_copy(update={"batch_tokens": 256}))
    assert calibrate.known([cell]) == {}
    calibrate.remember({cell.timing_key: TIMING})
    assert calibrate.known([cell, other]) == {cell.timing_key: TIMING}
    calibrate.remember({other.timing_key: TIMING})
    assert set(calibrate.known([cell, other])) == {cell.timing_key, other.timing_key}
    # Seed, rate and length don't change how long a step takes.
    same = replace(cell, seed=9, steps=32)
    assert same.timing_key == cell.timing_key
    (path,) = (cache / "calibration").iterdir()
    path.write_text('{"half')
    assert calibrate.known([cell]) == {}
    calibrate.remember({cell.timing_key: TIMING})
    assert calibrate.known([cell]) == {cell.timing_key: TIMING}


def test_what_a_step_costs_is_what_its_time_is_kept_by(cell: Cell) -> None:
    for dial in ({"optimiser": "sgd"}, {"microbatch": 2}, {"remat": "blocks"}, {"clip": 0.0}):
        other = replace(cell, recipe=cell.recipe.model_copy(update=dial))
        assert other.timing_key != cell.timing_key


def test_a_calibration_of_another_machine_or_program_is_not_used_and_said(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calibrate.note() == ""
    calibrate.remember({cell.timing_key: TIMING})
    assert calibrate.note() == ""
    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "machine", lambda: "elsewhere, 4 cores")
        assert calibrate.known([cell]) == {}
        assert calibrate.note().startswith(f"calibrated on another machine ({REAL}): timed anew")
    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "program_version", lambda: "0123")
        assert calibrate.known([cell]) == {}
        assert "another version of the program" in calibrate.note()
    assert calibrate.known([cell]) == {cell.timing_key: TIMING}
