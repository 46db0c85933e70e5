"""The main job through the real command line, on a text of a few hundred kilobytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

GRID = """
name = "small"
[data]
source = "{text}/*.txt"
held_out = 0.15
eval_tokens = 8192
[model]
context = 32
depth = 1
[train]
batch_tokens = 256
base_width = 8
warmup_steps = 8
[[pilots]]
widths = [8, 16]
tokens = [2e4, 4e4]
seeds = [0, 1]
[[targets]]
widths = [32]
tokens = [1.6e5]
[proof]
law = "chinchilla_tied"
fixed = {{ E = [0.5, 1.0] }}
draws = 50
"""
TEXT = "the law of a ladder says that loss falls as models and their data grow together"
WORDS = TEXT.split(" ")


def scaling(*arguments: object, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scaling.cli", *map(str, arguments)],
        env={**os.environ, "SCALING_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "text").mkdir()
    for i in range(24):
        rng = random.Random(i)
        words = [rng.choice(WORDS) + rng.choice(["", ",", ".", "\n"]) for _ in range(1200)]
        (folder / "text" / f"{i:02}.txt").write_text(" ".join(words))
    path = folder / "small.toml"
    path.write_text(GRID.format(text=folder / "text"))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def study(grid: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("out") / "small"
    done = scaling("run", grid, "--out", out, cache=cache)
    assert done.returncode == 0, done.stderr
    return out


def test_plan_shows_every_cell_before_anything_is_trained(grid: Path, cache: Path) -> None:
    shown = json.loads(scaling("plan", grid, "--no-calibrate", "--json", cache=cache).stdout)
    assert len(shown["cells"]) == 9
    assert shown["flops_spent"] < shown["flops_if_trained_apart"]
    readable = scaling("plan", grid, "--no-calibrate", cache=cache).stdout
    assert "target" in readable
    assert "not timed here" in readable


def test_the_table_has_the_declared_columns(study: Path) -> None:
    table = pd.read_parquet(study / "table.parquet")
    wanted = ["run", "family", "N", "N_total", "D", "C", "loss", "loss_se", "seed", "status"]
    assert set(wanted) <= set(table.columns)
    assert (table["status"] == "finished").all()
    assert list(table["role"]).count("target") == 1
    csv = pd.read_csv(study / "table.csv")
    assert csv["loss"].tolist() == table["loss"].tolist()


def test_the_forecast_precedes_its_target_and_is_judged(study: Path, cache: Path) -> None:
    (verdict,) = json.loads(scaling("proof", study, "--json", cache=cache).stdout)
    assert verdict["compute_ratio"] >= 10
    assert verdict["forecast_written_at"] <= verdict["trained_at"]
    assert verdict["q05"] < verdict["forecast"] < verdict["q95"]
    expected = 100 * (verdict["forecast"] / verdict["truth"] - 1)
    assert verdict["error_pct"] == pytest.approx(expected)


def test_a_changed_forecast_is_refused(study: Path, cache: Path, tmp_path: Path) -> None:
    path = study / "forecast.json"
    kept = path.read_text()
    forecast = json.loads(kept)
    forecast["targets"][0]["q05"] = 0.0
    path.write_text(json.dumps(forecast))
    try:
        refused = scaling("proof", study, cache=cache)
    finally:
        path.write_text(kept)
    assert refused.returncode == 2
    assert "changed after it was written" in refused.stderr


def test_a_finished_study_is_not_trained_again(grid: Path, study: Path, cache: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in study.glob("cells/*/record.json")}
    assert scaling("run", grid, "--out", study, cache=cache).returncode == 0
    assert {p: p.stat().st_mtime_ns for p in study.glob("cells/*/record.json")} == before


def test_killed_at_random_moments_it_ends_with_the_same_table(
    grid: Path, study: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "scaling.cli", "run", str(grid), "--out", str(out)]
    environment = {**os.environ, "SCALING_CACHE": str(cache)}
    rng = random.Random(time.time_ns())
    trained: dict[Path, int] = {}
    for _ in range(3):
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(3.0, 9.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path, written in trained.items():
            assert path.stat().st_mtime_ns == written, f"{path} was trained twice"
        trained = {p: p.stat().st_mtime_ns for p in out.glob("cells/*/record.json")}
    done = scaling("run", grid, "--out", out, cache=cache)
    assert done.returncode == 0, done.stderr
    for path, written in trained.items():
        assert path.stat().st_mtime_ns == written, f"{path} was trained twice"
    for name in ("table.parquet", "table.csv"):
        assert (out / name).read_bytes() == (study / name).read_bytes()
    assert not list(out.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("depth = 1", "depht = 1"), "unknown dial 'depht'"),
        (("held_out = 0.15", "heldout = 0.15"), "did you mean 'held_out'"),
        (("batch_tokens = 256", 'batch_tokens = "many"'), "train.batch_tokens"),
        (("widths = [32]", "widths = [3]"), "rotary positions need"),
        (("tokens = [1.6e5]", "tokens = [100]"), "less than two chunks"),
        (("tokens = [1.6e5]", "tokens = [5e4]"), "at least 10 times"),
        (('law = "chinchilla_tied"', 'law = "chincilla"'), "chinchilla"),
    ],
)
def test_bad_grids_are_one_line_and_exit_code_2(
    change: tuple[str, str], message: str, grid: Path, cache: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(grid.read_text().replace(*change))
    refused = scaling("run", bad, "--out", tmp_path / "out", cache=cache)
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.count("\n") == 1
    assert message in refused.stderr


def test_another_studys_folder_is_refused_and_left_alone(
    grid: Path, study: Path, cache: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(grid.read_text().replace('name = "small"', 'name = "other"'))
    before = (study / "study.json").read_bytes()
    refused = scaling("run", other, "--out", study, cache=cache)
    assert refused.returncode == 2
    assert "holds the study 'small'" in refused.stderr
    assert (study / "study.json").read_bytes() == before
