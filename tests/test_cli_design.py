"""`scaling design`: from a table, a grid or nothing to the next runs, as a file that can be run."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.forecast.rollouts.truths import Case
from scaling.grid import load_grid
from scaling.table import write_table

ASKED = ["--target-compute", "3e22", "--draws", "200"]
GRID = """
name = "ladder"
[data]
source = "python-stdlib"
[[pilots]]
widths = [16, 24, 32]
tokens = [1e5, 4e5]
seeds = [0, 1]
[[targets]]
widths = [64]
tokens = [4e6]
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("design") / "runs.csv"
    write_table(Case("chinchilla", "grid", 0.005, 1).table, path)
    return path


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["design", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_table_gives_runs_of_its_own_kind(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.csv"
    facts = json.loads(run(table, *ASKED, "--pilot-budget", "1e21", "-o", out, "--json"))
    known, chosen = pd.read_csv(table), pd.read_csv(out)
    assert facts["width_after"]["loss"] < facts["width_before"]["loss"]
    assert chosen.C.sum() == pytest.approx(facts["spent"])
    assert facts["spent"] <= 1e21
    assert chosen.N.to_list() == [item["N"] for item in facts["runs"]]
    shapes = known.D / known.N
    assert (chosen.D / chosen.N).between(0.9 * shapes.min(), 1.1 * shapes.max()).all()
    # what the text says is what the JSON says, and so does a figure
    drawn = tmp_path / "next.svg"
    text = run(table, *ASKED, "--pilot-budget", "1e21", "--plot", drawn)
    assert f"{len(chosen)} of {facts['candidates']} candidates" in drawn.read_text()
    assert f"design: {100 * facts['width_after']['loss']:.3g}" in drawn.read_text()
    assert f"{len(chosen)} runs of {facts['spent']:.4g} FLOPs" in text
    assert all(words in text for words in facts["assumed"])
    # a file of candidates, C by the table's own cost
    again = json.loads(
        run(table, *ASKED, "--pilot-budget", "1e21", "--cells", out, "--json")
    )  # fmt: skip
    assert again["candidates"] == len(chosen)


def test_a_grid_gives_a_grid_of_some_of_its_pilots(grid: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.toml"
    asked = ["--target-compute", "1e14", "--pilot-budget", "2e11", "--cells", grid, "--json"]
    facts = json.loads(run(*asked, "-o", out))
    chosen = load_grid(out)
    count = sum(len(b.widths) * len(b.tokens or ()) * len(b.seeds) for b in chosen.pilots)
    assert 0 < count == len(facts["runs"]) < facts["candidates"] == 12
    assert not chosen.targets
    # those that a table has are not chosen again
    keys = [item["key"] for item in facts["runs"]]
    had = pd.DataFrame({"run": keys, "family": "transformer", "N": 6e3, "D": 1e5, "loss": 3.0})
    write_table(had.head(2), tmp_path / "had.csv")
    more = json.loads(run(tmp_path / "had.csv", *asked))
    assert more["candidates"] == 10
    assert not set(keys[:2]) & {item["key"] for item in more["runs"]}


def test_bad_questions_are_refused(table: Path, grid: Path, tmp_path: Path) -> None:
    for words, told in (
        ([table, *ASKED, "--pilot-budget", "1e10"], "cheapest run of .* takes 2.163e\\+17"),
        ([*ASKED, "--pilot-budget", "1e20"], "without a table give --cells"),
        ([table, *ASKED, "--pilot-budget", "1e21", "-o", "x.toml"], "-o x.toml: valid is .csv"),
        ([table, *ASKED, "--pilot-budget", "1e21", "--goal", "n"], "goal 'n'; valid: loss"),
        ([table, "--target-compute", "1e19", "--pilot-budget", "1e21"], "nothing is extrapolated"),
    ):
        with pytest.raises(InputError, match=told):
            run(*words)


def test_grids_that_say_too_little_are_refused(grid: Path, tmp_path: Path) -> None:
    images = tmp_path / "images.toml"
    images.write_text(
        'name = "images"\n[data]\nsource = "digits"\n[train]\nbatch_images = 16\n'
        '[[pilots]]\nmodel = { family = "mlp", depth = 1 }\nwidths = [8, 16]\nimages = [512, 768]\n'
    )
    asked = ["--target-compute", "1e14", "--pilot-budget", "1e12", "--cells"]
    with pytest.raises(InputError, match="D counts images, and published priors are of language"):
        run(*asked, images)
    with pytest.raises(InputError, match="--n N_x: valid for a grid's cells: N, N_total, N_act"):
        run(*asked, grid, "--n", "N_x")


def test_few_rows_of_images_are_refused(tmp_path: Path) -> None:
    table = Case("chinchilla", "grid", 0.005, 1).table.assign(D_kind="images").head(9)
    write_table(table, tmp_path / "images.csv")
    with pytest.raises(InputError, match="9 rows; published priors are of language models"):
        run(tmp_path / "images.csv", *ASKED, "--pilot-budget", "1e20")
