"""The benchmark of image data runs, at a size for tests, and its stream resumes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "images.py"


def test_the_benchmark_runs() -> None:
    pytest.importorskip("grain", reason="grain is missing: pip install 'scaling-laws[train]'")
    short = [
        "--images",
        "300",
        "--classes",
        "5",
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--memory",
        "0.2",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, BENCHMARK, *short], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["resumed"]["same_bits"]
    assert report["memory"]["images"] > 0
    for name, rate in report["rates"].items():
        assert 1 < rate["images_s"][0] < 1e5, name
        assert 0.01 < rate["cores"][0] <= report["cores"] * 1.1 + 0.2, name
