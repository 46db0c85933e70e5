"""The baselines of `benchmarks/` train the very model that our engine trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_baselines_are_the_same_model() -> None:
    """In a process of its own: `benchmarks/` on the path, the libraries' warnings left alone."""
    pytest.importorskip("jax", reason="needs scaling-laws[train]")
    pytest.importorskip("flax", reason="needs scaling-laws[train]")
    pytest.importorskip("torch", reason="needs scaling-laws[bench]")
    check = "from workloads import same_model; from setting import text_setting as s; "
    done = subprocess.run(
        [sys.executable, "-c", check + "same_model(s(32))"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
