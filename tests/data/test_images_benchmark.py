"""The benchmark of image data measures what it says, on a folder for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

CODE = """
import json, pathlib, sys
from images import augment, generate, plain, stream, watched, window
if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    generate(place / "folder", 300, 5)
    data = stream(place, 1)
    plainly = window(plain(data, augment), [], 0.2)
    print(json.dumps({"n": data.n_train + data.n_held_out, "plain": plainly,
                      "watched": watched(place, 0.2)}))
"""


def test_the_benchmark_runs(tmp_path: Path) -> None:
    """In a process of its own: `benchmarks/` on the path, workers that start from a file."""
    pytest.importorskip("grain", reason="grain is missing: pip install 'scaling-laws[train]'")
    script = tmp_path / "measure.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n{CODE}")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["n"] == 300
    assert 0 < report["plain"]["cpu"] <= report["plain"]["seconds"] * 1.1
    assert 1 < report["plain"]["images"] / report["plain"]["seconds"] < 1e5
    assert report["watched"]["images"] > 0
    assert 20 < report["watched"]["mib_most"] < 20_000
