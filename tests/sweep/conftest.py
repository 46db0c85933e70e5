"""A tiny study: two trunks with two budgets each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from batteries import slurm
from batteries.slurm import Cluster
from batteries.sources import prose

from scaling.data import load
from scaling.grid import Cell, Grid, parse_grid, plan

TEXT = """
name = "tiny"
[data]
source = "{folder}/*.txt"
held_out = 0.2
eval_tokens = 4096
[model]
context = 16
depth = 1
[train]
batch_tokens = 128
base_width = 8
warmup_steps = 4
[[pilots]]
widths = [8, 16]
tokens = [8192, 16384]
seeds = [0, 1]
"""


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def grid_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("text")
    for n in range(16):
        (folder / f"{n}.txt").write_text(prose(n))
    return TEXT.format(folder=folder)


@pytest.fixture(scope="package")
def grid(grid_text: str) -> Grid:
    return parse_grid(grid_text)


@pytest.fixture(scope="package")
def cells(grid: Grid, cache: Path) -> list[Cell]:
    corpus = load(grid.data.source, held_out=grid.data.held_out, cache=cache / "data")
    return plan(grid, corpus)


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A SLURM that runs; skips where it isn't installed."""
    if why := slurm.missing():
        pytest.skip(why)
    with slurm.cluster(tmp_path_factory.mktemp("slurm"), array_size=4) as made:
        yield made


@pytest.fixture
def cluster(
    slurm_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """The same, as this process's own; empty before and after."""
    for name, value in slurm_cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path_factory.mktemp("jobs")))
    yield slurm_cluster
    slurm_cluster.empty()
