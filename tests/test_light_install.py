"""Without JAX: a virtual environment of its own, the project without extras, real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries.sources import prose

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = ("connection broken", "Max retries", "name resolution", "Network is unreachable")
GRID = """
name = "light"
[data]
source = "{folder}/*.txt"
[model]
context = 32
[train]
batch_tokens = 256
[[pilots]]
sizes = [1e4, 3e4]
tokens = [1e5]
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of a fresh light install."""
    home = tmp_path_factory.mktemp("light")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    commands = home / "venv" / "bin"
    installed = subprocess.run(
        [commands / "python", "-m", "pip", "install", "-q", ROOT], capture_output=True, text=True
    )
    if installed.returncode and any(sign in installed.stderr for sign in OFFLINE):
        pytest.skip("pip reaches no package index: connect the machine, or set PIP_INDEX_URL")
    assert installed.returncode == 0, installed.stderr
    return commands


@pytest.fixture(scope="module")
def table(light: Path) -> Path:
    """Runs that follow a Chinchilla law with small noise."""
    rng = np.random.default_rng(0)
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e5, 1e7, 6), np.geomspace(1e6, 1e9, 6)))
    loss = 1.7 + 400 / n**0.34 + 410 / d**0.28
    loss *= np.exp(rng.normal(0, 1e-3, n.size))
    path = light.parent / "runs.csv"
    pd.DataFrame({"N": n, "D": d, "loss": loss}).to_csv(path, index=False)
    return path


def scaling(light: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [light / "scaling", *map(str, arguments)],
        env={**environment, "SCALING_CACHE": str(light.parent / "cache")},
        cwd=light,  # not in the checkout: only what was installed counts
        capture_output=True,
        text=True,
        timeout=300,
    )


def run(light: Path, *arguments: object) -> str:
    done = scaling(light, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jax_is_not_there(light: Path) -> None:
    for module in ("jax", "flax", "optax"):
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        assert subprocess.run([light / "python", "-c", code], cwd=light).returncode == 1, module


def test_help(light: Path) -> None:
    shown = run(light, "--help")
    for command in ("plan", "run", "fit", "forecast", "proof", "report"):
        assert command in shown


def test_fit(light: Path, table: Path) -> None:
    found = json.loads(run(light, "fit", table, "--law", "chinchilla", "--json"))
    params = found["params"]
    assert params["alpha"] == pytest.approx(0.34, abs=0.05)
    assert params["beta"] == pytest.approx(0.28, abs=0.05)


def test_forecast(light: Path, table: Path) -> None:
    text = run(light, "forecast", table, "--compute", "1e17", "--json")
    found = json.loads(text)
    assert found
    assert "N" in text


@pytest.fixture(scope="module")
def grid(light: Path) -> Path:
    folder = light.parent / "text"
    folder.mkdir()
    for n in range(20):
        (folder / f"{n}.txt").write_text(prose(n))
    path = light.parent / "light.toml"
    path.write_text(GRID.format(folder=folder))
    return path


def test_plan(light: Path, grid: Path) -> None:
    planned = json.loads(run(light, "plan", grid, "--json"))
    assert [cell["role"] for cell in planned["cells"]] == ["pilot", "pilot"]
    assert planned["wall_seconds"] is None


@pytest.mark.parametrize("command", [["plan", "--calibrate"], ["run", "--out", "out"]])
def test_measuring_and_training_say_what_to_install(
    light: Path, grid: Path, command: list[str]
) -> None:
    done = scaling(light, *command, grid)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "pip install 'scaling-laws[train]'" in done.stderr
    assert not (light / "out").exists()
