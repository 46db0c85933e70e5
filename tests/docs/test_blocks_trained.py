"""What the documents' stand-ins leave out, for real: their small grid is planned, trained and asked
again, as the pages' lines do with theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaling.cli import app

LINES = (
    "plan grid.toml",
    "plan grid.toml --budget 1h --save smaller.toml",
    "run grid.toml --out out/small --tracker tensorboard",
    "study grid.toml --out out/small",
    "status out/small",
    "proof out/small",
    "report out/small --format html,md,pdf",
    "run grid.toml --out out/chosen --adaptive --budget 1e18FLOPs",
    "run grid.toml --out out/ray --executor ray --option cpus=1",
)


@pytest.mark.slow
def test_the_small_grid_is_trained_as_the_pages_say(folder: Path) -> None:
    for line in LINES:
        done = CliRunner().invoke(app, line.split(), catch_exceptions=False)
        assert done.exit_code == 0, f"{line}\n{done.output}"
    assert (folder / "out/small/report.pdf").stat().st_size > 10_000
    assert (folder / "out/small/trackers/tensorboard").is_dir()
    assert (folder / "out/chosen/adaptive.json").exists()
