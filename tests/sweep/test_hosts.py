"""Two processes of four simulated devices train a study together, and get what one device gets."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scaling.errors import InputError
from scaling.grid import Cell, Devices, load_grid, open_data, plan
from scaling.train import distributed
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome

SIMULATED = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
FLOAT_ERROR = 1e-5


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two lengths of one trunk, on text made here."""
    (tmp_path / "text").mkdir()
    for i in range(40):
        words = random.Random(i).choices(["loss", "falls", "as", "a", "power", "law"], k=900)
        (tmp_path / "text" / f"{i}.txt").write_text(" ".join(words))
    path = tmp_path / "grid.toml"
    path.write_text(f"""
name = "two"
data = {{ source = "{tmp_path}/text/*.txt", eval_tokens = 2048 }}
model = {{ context = 16, depth = 1 }}
train = {{ batch_tokens = 256, warmup_steps = 4 }}
devices = {{ data = 2, fsdp = 4 }}
pilots = [{{ widths = [32], tokens = [8192, 16384] }}]
""")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(grid: Path, out: Path, port: int, process: int) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "scaling.cli", "run", str(grid), "--out", str(out),
        "--coordinator", f"127.0.0.1:{port}", "--process", str(process), "--processes", "2",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "XLA_FLAGS": SIMULATED,
        "JAX_PLATFORMS": "cpu",
        "SCALING_CACHE": str(out / ".." / "cache"),
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_two_processes_train_what_one_device_trains(grid: Path, tmp_path: Path) -> None:
    out, port = tmp_path / "out", free_port()
    both = [start(grid, out, port, process) for process in range(2)]
    try:
        told = [process.communicate(timeout=1800)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], "\n".join(told)
    cells = planned(grid)
    alone: dict[str, Outcome] = {}
    train_trunk(
        [replace(cell, devices=Devices()) for cell in cells],
        open_data(load_grid(grid).data, "token"),
        checkpoint_path=tmp_path / "alone.npz",
        on_cell=lambda cell, outcome: alone.update({cell.id: outcome}),
    )
    for cell in cells:
        record = json.loads((out / "cells" / cell.id / "record.json").read_text())
        assert record["status"] == "finished"
        assert record["loss"] == pytest.approx(alone[cell.id].loss, rel=FLOAT_ERROR)
        assert record["train_loss"] == pytest.approx(alone[cell.id].train_loss, rel=FLOAT_ERROR)
    assert (out / "table.parquet").exists()
    assert not list((out / "trunks").glob("*"))  # nothing is left of the trunk


@pytest.mark.slow
def test_one_that_is_asked_to_stop_stops_all_and_they_go_on(grid: Path, tmp_path: Path) -> None:
    # A cooldown of half the run, so that it is stopped on the trunk or in a branch.
    text = grid.read_text().replace("warmup_steps = 4", "warmup_steps = 4, cooldown = 0.5")
    grid.write_text(text.replace("tokens = [8192, 16384]", "tokens = [163840]"))
    out = tmp_path / "out"
    both = [start(grid, out, port, process) for port in [free_port()] for process in range(2)]
    try:
        (cell,) = planned(grid)
        claim = out / "claims" / f"{cell.trunk}.1"
        until = time.monotonic() + 300
        while '"step"' not in (claim.read_text() if claim.exists() else ""):
            assert time.monotonic() < until
            time.sleep(0.1)
        asked = time.monotonic()
        both[1].send_signal(signal.SIGTERM)
        told = [process.communicate(timeout=60)[0] for process in both]
        took = time.monotonic() - asked
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [130, 143], "\n".join(told)
    assert "another process of this run was asked to stop" in told[0]
    assert took < 10
    kept = sorted(path.name for path in (out / "trunks").iterdir())
    assert kept
    assert not list(out.glob("cells/*/record.json"))
    # The same two go on from there, or start again where it is damaged: here the former.
    both = [start(grid, out, port, process) for port in [free_port()] for process in range(2)]
    try:
        told = [process.communicate(timeout=1800)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], "\n".join(told)
    record = json.loads((out / "cells" / cell.id / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["cpu_seconds"] is None  # it was begun by another process
    alone: list[Outcome] = []
    train_trunk(
        [replace(cell, devices=Devices())],
        open_data(load_grid(grid).data, "token"),
        checkpoint_path=tmp_path / "alone.npz",
        on_cell=lambda _, outcome: alone.append(outcome),
    )
    assert record["loss"] == pytest.approx(alone[0].loss, rel=FLOAT_ERROR)
    assert record["flops_spent"] == cell.C


def planned(grid: Path) -> list[Cell]:
    read = load_grid(grid)
    return plan(read, open_data(read.data, "token"))


def test_a_mesh_that_divides_no_batch_is_refused(grid: Path) -> None:
    grid.write_text(grid.read_text().replace("data = 2, fsdp = 4", "data = 3, fsdp = 1"))
    told = "3 devices don't divide the 16 examples of a batch; valid numbers of devices are 1, 2, 4"
    with pytest.raises(InputError, match=told):
        planned(grid)


def test_a_microbatch_is_divided_too(grid: Path) -> None:
    text = grid.read_text().replace("warmup_steps = 4", "warmup_steps = 4, microbatch = 4")
    grid.write_text(text)
    with pytest.raises(InputError, match="8 devices don't divide the 4 examples"):
        planned(grid)


def test_a_coordinator_that_does_not_answer() -> None:
    where = distributed.Place(f"127.0.0.1:{free_port()}", 1, 2)
    told = rf"process 1: the coordinator {where.coordinator} doesn't answer within 1 s"
    with pytest.raises(InputError, match=told):
        distributed.initialise(where, timeout=1)


@pytest.mark.parametrize(
    ("coordinator", "process", "processes", "told"),
    [
        ("localhost", 0, 2, "coordinator 'localhost'; valid: HOST:PORT"),
        ("localhost:1", 2, 2, "process 2 of 2; valid: 0 to 1"),
        (None, 0, 2, "SCALING_COORDINATOR is not given"),
        ("localhost:1", None, None, "SCALING_PROCESS, SCALING_PROCESSES is not given"),
    ],
)
def test_where_a_process_stands_is_checked(
    coordinator: str | None, process: int | None, processes: int | None, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        distributed.place(coordinator, process, processes)


def test_where_a_process_stands_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.place() is None
    for name, value in zip(distributed.VARIABLES, ("host:7", "1", "4"), strict=True):
        monkeypatch.setenv(name, value)
    assert distributed.place() == distributed.Place("host:7", 1, 4)
    assert distributed.place(process=2) == distributed.Place("host:7", 2, 4)
    monkeypatch.setenv("SCALING_PROCESS", "first")
    with pytest.raises(InputError, match="must be whole numbers, not 'first'"):
        distributed.place()
