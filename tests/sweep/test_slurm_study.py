"""Studies through the real command line on SLURM: what befalls their jobs changes no bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from batteries.slurm import Cluster
from batteries.sources import prose

from scaling.grid import Devices, load_grid, open_data, plan
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome

GRID = """
name = "queued"
data = {{ source = "digits", eval_images = 64 }}
model = {{ family = "mlp" }}
train = {{ batch_images = 32, warmup_steps = 4 }}
pilots = [{{ widths = {widths}, images = [131072, {images}] }}]
"""
# Two processes hold the eight devices of one run.
SPREAD = """
name = "spread"
data = {{ source = "{folder}/*.txt", eval_tokens = 2048 }}
model = {{ context = 16, depth = 1 }}
train = {{ batch_tokens = 256, warmup_steps = 4 }}
devices = {{ data = 2, fsdp = 4, hosts = 2 }}
pilots = [{{ widths = [32], tokens = [8192] }}]
"""
SIMULATED = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
FLOAT_ERROR = 1e-5


def start(grid: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "scaling.cli", "run", str(grid)]
    return subprocess.Popen(
        [*command, "--out", str(out), *more],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def on_slurm(grid: Path, out: Path) -> subprocess.Popen[str]:
    options = ("partition=main", "poll_seconds=0.5", "grain_seconds=0")
    return start(grid, out, "--executor", "slurm", *(f"--option={each}" for each in options))


def finish(driver: subprocess.Popen[str]) -> str:
    told, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0, told
    return told


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("table.parquet", "table.csv")]


def steps(out: Path) -> int:
    """How far the claims say that training has come."""
    told = [path.read_text() for path in out.glob("claims/*")]
    return max((json.loads(text).get("step", 0) for text in told if text), default=0)


@pytest.mark.slow
def test_a_preempted_study_ends_with_the_bits_of_an_undisturbed_one(
    cluster: Cluster, tmp_path: Path
) -> None:
    grid = tmp_path / "grid.toml"
    # Long enough that a claim tells of it, once in five seconds, before it ends.
    grid.write_text(GRID.format(widths="[8]", images=2097152))
    driver = on_slurm(grid, tmp_path / "preempted")
    cluster.until(lambda: steps(tmp_path / "preempted") > 0, "training")
    (job,) = cluster.jobs("%A")
    cluster.preempt(job)
    cluster.release(job)
    told = finish(driver)
    assert cluster.job(job)["Restarts"] == "1", told
    finish(start(grid, tmp_path / "undisturbed"))
    assert tables(tmp_path / "preempted") == tables(tmp_path / "undisturbed")
    assert not list((tmp_path / "preempted").rglob("*.npz"))


@pytest.mark.slow
def test_whatever_befalls_its_jobs_a_study_ends_with_the_same_table(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Preempted, cancelled, on nodes that are lost, of drivers that are killed."""
    rng = random.Random(seed := time.time_ns())
    grid, out = tmp_path / "grid.toml", tmp_path / "out"
    grid.write_text(
        GRID.format(widths="[8, 16, 24]", images=1048576) + "[recovery]\nretries = 99\n"
    )
    finish(start(grid, tmp_path / "undisturbed"))
    driver, befell = on_slurm(grid, out), list[str]()
    with cluster.released():
        for _ in range(12):
            time.sleep(rng.uniform(1.0, 8.0))
            jobs = cluster.run("squeue", "-h", "--states=RUNNING", "--format=%A").split()
            if driver.poll() is not None or not jobs:
                continue
            job = rng.choice(jobs)
            befell.append(
                rng.choice(["preempted", "cancelled", "lost its node", "lost its driver"])
            )
            if befell[-1] == "preempted":
                cluster.preempt(job)
            elif befell[-1] == "cancelled":
                cluster.run("scancel", job)
            elif befell[-1] == "lost its node":
                if node := cluster.job(job).get("NodeList"):
                    cluster.lose_node(node)
                    cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=x")
                    cluster.mend()
            else:
                driver.kill()
                driver.communicate()
                driver = on_slurm(grid, out)
        finish(driver)
    print(f"seed {seed}: {', '.join(befell)}")
    assert tables(out) == tables(tmp_path / "undisturbed")


@pytest.mark.slow
def test_two_nodes_train_what_one_device_trains(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", SIMULATED)
    (tmp_path / "text").mkdir()
    for n in range(16):
        (tmp_path / "text" / f"{n}.txt").write_text(prose(n))
    grid = tmp_path / "grid.toml"
    grid.write_text(SPREAD.format(folder=tmp_path / "text"))
    finish(on_slurm(grid, tmp_path / "out"))
    read = load_grid(grid)
    data = open_data(read.data, "token")
    (cell,) = plan(read, data)
    alone: list[Outcome] = []
    train_trunk(
        [replace(cell, devices=Devices())],
        data,
        checkpoint_path=tmp_path / "alone.npz",
        on_cell=lambda cell, outcome: alone.append(outcome),
    )
    record = json.loads((tmp_path / "out" / "cells" / cell.id / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["loss"] == pytest.approx(alone[0].loss, rel=FLOAT_ERROR)
    assert record["train_loss"] == pytest.approx(alone[0].train_loss, rel=FLOAT_ERROR)
