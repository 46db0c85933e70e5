"""Studies of image models through the real command line: three families on digits, and a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries.timings import made_up

ROOT = Path(__file__).resolve().parents[1]
# Convolutions compile longer than they run here.
COMPILES_QUICKLY = "--xla_backend_optimization_level=0"
FOLDER_GRID = """
name = "folder"
[data]
source = "{folder}"
image = 16
[model]
family = "mlp"
depth = 1
[train]
batch_images = 8
warmup_steps = 4
learning_rate = 0.01
[[pilots]]
widths = [8]
images = [256]
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def scaling(*arguments: object, cache: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scaling.cli", *map(str, arguments)],
        env={**os.environ, "SCALING_CACHE": str(cache), "XLA_FLAGS": COMPILES_QUICKLY},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_families_from_grid_to_report(cache: Path, tmp_path: Path) -> None:
    out, grid = tmp_path / "digits", tmp_path / "digits.toml"
    # Residual nets compile for longer than the others together; test_classify trains them.
    blocks = (ROOT / "runs/digits.toml").read_text().split("\n\n")
    grid.write_text("\n\n".join(block for block in blocks if 'family = "resnet"' not in block))
    made_up(grid, cache)
    told = scaling("study", grid, "--out", out, cache=cache)
    table = pd.read_parquet(out / "table.parquet")
    assert sorted(set(table["family"])) == ["cnn", "mlp", "vit"]
    assert (table["status"] == "finished").all()
    assert set(table["D_kind"]) == {"images"}
    assert set(table["L_kind"]) == {"nats_per_image"}
    assert table["top1_error"].between(0, 1).all()
    assert (table["top5_error"] <= table["top1_error"]).all()
    # They learn, the best of each family, in all of 80 steps.
    assert (table.groupby("family")["loss"].min() < 0.8 * np.log(10)).all()
    verdicts = json.loads(scaling("proof", out, "--json", cache=cache))
    assert len(verdicts) == 2
    assert all(verdict["truth"] is not None for verdict in verdicts)
    assert "nats/image" in told
    page = (out / "report.html").read_text()
    assert all(name in page for name in ("cnn", "mlp", "vit"))
    sides = scaling(
        "crossing", out / "table.parquet", "--law", "chinchilla_tied", "--json", cache=cache
    )
    assert set(json.loads(sides)["groups"]) == {"cnn", "mlp", "vit"}


@pytest.mark.slow  # tests/train/test_classify.py trains from a stream, too
def test_a_folder_of_images_is_trained_on_as_it_streams(cache: Path, tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("val", 12)):
        for name, level in (("dark", 60), ("light", 190)):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for n in range(count):
                side = int(rng.integers(18, 30))
                pixels = rng.integers(level - 50, level + 50, (side, side, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n:03}.JPEG")
    grid = tmp_path / "folder.toml"
    grid.write_text(FOLDER_GRID.format(folder=tmp_path / "images"))
    scaling("run", grid, "--out", tmp_path / "out", cache=cache)
    table = pd.read_parquet(tmp_path / "out" / "table.parquet")
    assert (table["status"] == "finished").all()
    assert table["D_unique"].tolist() == [80]
    assert table["top1_error"].iloc[-1] == 0.0
