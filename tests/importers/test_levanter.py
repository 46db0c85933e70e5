"""Levanter's JSON logger (files/make_levanter.py) and the file that Marin reads, whole and damaged.

`tracker_metrics.jsonl` is written as Levanter's W&B tracker does (as of its public source in 2026;
the published package has no such option yet): one record of config and summary.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scaling.errors import InputError
from scaling.importers import levanter
from scaling.importers.contract import LoggedRun

MADE = Path(__file__).parent / "files" / "levanter"
RECORD = {
    "config": {"trainer": {"train_batch_size": 8, "seed": 1}, "model": {"hidden_dim": 512}},
    "summary": {
        "eval/paloma/c4_en/bpb": 1.25,
        "parameter_count": 40_000_000,
        "throughput/total_tokens": 1_000_000_000,
        "_wandb": {"runtime": 12},
    },
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "made")) / "train.log"


def only(source: Path) -> LoggedRun:
    (run,) = levanter.read(str(source))
    return run


def test_events_of_the_json_logger(log: Path) -> None:
    assert levanter.recognises(str(log))
    run = only(log)
    assert (run.id, run.ended, run.notes) == ("train", "finished", ())
    assert run.config["trainer.train_batch_size"] == 16
    assert run.config["optimizer.learning_rate"] == 1e-3
    assert run.final["parameter_count"] == 51_200
    trained = ~np.isnan(run.history["train/loss"])
    assert run.history["step"][trained].tolist() == [10, 20, 30, 40]
    assert run.history["throughput/total_tokens"][trained].tolist() == [
        step * 16 * 64 for step in (10, 20, 30, 40)
    ]
    held_out = run.history["eval/paloma/c4_en/loss"]
    assert run.history["step"][~np.isnan(held_out)].tolist() == [20, 40]
    assert held_out[-1] == pytest.approx(3.1 + 0.25)
    assert run.final["eval/loss"] == pytest.approx(3.1 + 0.5)


def test_a_log_that_ends_too_soon(log: Path) -> None:
    text = log.read_text()
    log.write_text(text[: text.index('"step": 40') + 5])
    run = only(log)
    assert run.history["step"].tolist() == [10, 20, 20, 30]
    assert run.ended == "unstated"
    assert run.notes[0].startswith(f"{log}: line 7: not JSON, left out")


def test_runs_of_one_log_are_told_apart_by_their_ends(log: Path) -> None:
    log.write_text(log.read_text() * 2)
    assert [run.id for run in levanter.read(str(log))] == ["train", "train#2"]


def test_a_start_without_an_end_before_goes_on(log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-3] + lines))
    assert only(log).history["step"].tolist() == [10, 20, 20, 30, 10, 20, 20, 30, 40, 40]


def test_records_that_marin_reads(tmp_path: Path) -> None:
    for name in ("isoflop-1e+18-d512", "größe"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tracker_metrics.jsonl").write_text(json.dumps(RECORD) + "\n")
    assert levanter.recognises(str(tmp_path))
    runs = list(levanter.read(str(tmp_path)))
    assert sorted(run.id for run in runs) == ["größe", "isoflop-1e+18-d512"]
    for run in runs:
        assert run.history == {}
        assert run.final["eval/paloma/c4_en/bpb"] == 1.25
        assert run.final["parameter_count"] == 40_000_000
        assert run.config["model.hidden_dim"] == 512


def test_files_of_an_event_each_are_one_run_by_its_id(tmp_path: Path) -> None:
    for step in (100, 20):
        record = {"event": "log", "metrics": {"train/loss": 3 + 1 / step}, "run_id": "a1b2",
                  "step": step, "tracker": "json_logger"}  # fmt: skip
        (tmp_path / f"step-{step}-0f3c.json").write_text(json.dumps(record))
    run = only(tmp_path)
    assert (run.id, run.history["step"].tolist()) == ("a1b2", [20, 100])


@pytest.mark.parametrize("text", ["", "step 1: train loss 3.0\n"])
def test_other_files_are_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.log").write_text(text)
    assert not levanter.recognises(str(tmp_path / "other.log"))
    with pytest.raises(InputError, match=r"other\.log: no tracker_metrics\.jsonl"):
        only(tmp_path / "other.log")


@pytest.mark.slow
def test_the_file_is_what_levanter_writes(tmp_path: Path) -> None:
    pytest.importorskip("levanter", reason="runs its JSON logger: pip install levanter")
    subprocess.run([sys.executable, MADE.parent / "make_levanter.py", tmp_path], check=True)
    new, old = only(tmp_path / "train.log"), only(MADE / "train.log")
    assert (new.config, new.final) == (old.config, old.final)
