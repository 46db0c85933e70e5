"""The commands on URLs: a study trains into an S3, and into memory, to the same table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaling import files
from scaling.cli import app
from scaling.errors import InputError


@pytest.fixture(scope="module")
def grid_file(
    tmp_path_factory: pytest.TempPathFactory, grid_text: str, cache: Path
) -> tuple[Path, Path]:
    """A grid of two cells of one trunk, and the cache to plan it with."""
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    path.write_text(grid_text.replace("widths = [8, 16]", "widths = [8]").replace("[0, 1]", "[0]"))
    return path, cache


def scaling(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_a_study_is_trained_behind_urls_to_the_same_bits(
    s3: dict[str, str], grid_file: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, cache = grid_file
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    url, other = "s3://studies/trained", "memory://near/study"
    told = scaling("run", str(grid), "--out", url, "--executor", "debug")
    assert f"run table: {url}/table.parquet" in told
    assert f"report: {url}/report.html" in scaling("report", url)
    far = files.folder(url)
    assert set(files.names(far)) >= {"study.json", "plan.parquet", "index.parquet", "report.html"}
    assert files.names(far / "claims") == files.names(far / "trunks") == []
    assert b"<svg" in files.read(far / "report.html")
    assert scaling("status", url).startswith("2 cells: 2 finished")
    with pytest.raises(InputError, match="no forecast here"):
        scaling("proof", url)
    scaling("run", str(grid), "--out", other, "--executor", "debug")
    for name in ("table.csv", "table.parquet"):
        assert files.read(files.folder(other) / name) == files.read(far / name)


@pytest.mark.slow
def test_workers_of_their_own_store_into_an_s3(
    s3: dict[str, str], grid_file: tuple[Path, Path]
) -> None:
    grid, cache = grid_file
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "scaling.cli", "run", str(grid), "--out",
         "s3://studies/by-workers", "--workers", "1"],
        capture_output=True, text=True, check=False,
        env={**os.environ, **s3, "SCALING_CACHE": str(cache)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert scaling("status", "s3://studies/by-workers").startswith("2 cells: 2 finished")


def test_memory_is_no_place_for_other_processes(
    grid_file: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, cache = grid_file
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    with pytest.raises(InputError, match=r"no other process sees this one's memory; .* debug"):
        CliRunner().invoke(
            app, ["run", str(grid), "--out", "memory://far/study"], catch_exceptions=False
        )
