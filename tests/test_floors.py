"""The house's floors: imports go down only, and the light half never needs JAX."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHT = [
    "scaling.cli",
    "scaling.families.transformer",
    "scaling.grid",
    "scaling.cost",
    "scaling.planned",
    "scaling.study",
    "scaling.sweep.planning.plan",
    "scaling.sweep.storing.store",
    "scaling.fit",
    "scaling.extrapolate",
    "scaling.forecast",
    "scaling.report",
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def test_imports_go_down_only() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("laws/law.py", "import jax"),
        ("fit/fitting.py", "from scaling.grid import Grid"),
        ("grid.py", "from scaling.sweep.storing.store import Store"),
        ("data/cache.py", "from scaling.families import names"),
        ("novel.py", "import json"),
    ],
)
def test_a_broken_floor_is_found(module: str, line: str, tmp_path: Path) -> None:
    # What the contracts are there to catch, in a copy of the house.
    shutil.copytree(ROOT / "scaling", tmp_path / "scaling")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "scaling" / module
    text = path.read_text() if path.exists() else ""
    path.write_text(f"{text}\n{line}\n")
    assert lint(tmp_path).returncode == 1


@pytest.mark.parametrize("module", LIGHT)
def test_the_light_half_imports_no_jax(module: str) -> None:
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
)
def test_style_and_types_are_clean(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
