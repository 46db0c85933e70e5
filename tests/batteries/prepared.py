"""The folder in which the documents' commands are run: what they name is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from batteries.documents import ROOT
from batteries.sources import prose
from typer.testing import CliRunner

from scaling.cli import app
from scaling.table import read_table, write_table

# A study of minutes: what `grid.toml` stands for.
GRID = """name = "small"
[data]
source = "texts/*.txt"
[model]
family = "transformer"
depth = 1
context = 32
[train]
batch_tokens = 256
[[pilots]]
widths = [16, 32]
tokens = [20e3, 40e3, 80e3]
[[targets]]
widths = [64]
tokens = [320e3]
"""


def runs_table() -> pd.DataFrame:
    """Runs around the optimum of six budgets under two recipes, with scores on a task."""
    noise = np.random.default_rng(0)
    rows = []
    for recipe, E in (("old", 1.82), ("new", 1.78)):
        for C in np.geomspace(1e18, 3e20, 6):
            for share in (0.3, 0.55, 1.0, 1.8, 3.3):
                N = share * 0.09 * C**0.5
                D = C / (6 * N)
                loss = (E + 482 / N**0.348 + 2085 / D**0.366) * np.exp(noise.normal(0, 0.003))
                accuracy = 0.25 + 0.7 / (1 + np.exp(4 * (loss - 2.4)))
                rows.append((recipe, N, D, loss, accuracy))
    table = pd.DataFrame(rows, columns=["recipe", "N", "D", "loss", "accuracy"])
    more = {
        "flops": 6 * table.N * table.D,
        "task_loss": table.loss,
        "arc_nll": table.loss,
        "arc": table.accuracy,
    }
    return table.assign(D_unique=table.D, **more)


def curves_table() -> pd.DataFrame:
    """Two curves of loss against scale, the last points of each to be predicted."""
    x = np.geomspace(1e8, 1e11, 16)
    noise = np.random.default_rng(1)
    split = ["fit"] * 12 + ["extrapolate"] * 4
    parts = []
    for task, E in (("arc", 0.9), ("hellaswag", 1.3)):
        loss = (E + 60 * x**-0.2) * noise.normal(1, 0.004, 16)
        parts.append(pd.DataFrame({"task": task, "x": x, "loss": loss, "split": split}))
    return pd.concat(parts)


def prepare(home: Path) -> None:
    """What every document may name: `runs.csv`, `fit.json`, `curves.csv`, `curve.csv`, `sweep.csv`,
    `grid.toml` and the repository's `runs/`, those that lack it with their table as Parquet."""
    runs_table().to_csv(home / "runs.csv", index=False)
    save = ["fit", str(home / "runs.csv"), "--draws", "200", "--save", str(home / "fit.json")]
    assert CliRunner().invoke(app, save, catch_exceptions=False).exit_code == 0
    curves = curves_table()
    curves.to_csv(home / "curves.csv", index=False)
    one = curves[curves.task == "arc"].rename(columns={"x": "tokens", "loss": "val_loss"})
    one.drop(columns=["task", "split"]).to_csv(home / "curve.csv", index=False)
    (home / "texts").mkdir()
    for number in range(40):
        (home / f"texts/{number:02d}.txt").write_text(prose(number), encoding="utf-8")
    (home / "grid.toml").write_text(GRID, encoding="utf-8")
    (home / "tables").mkdir()
    shutil.copytree(ROOT / "runs", home / "runs")
    shutil.copy(home / "runs/rate-law/table.csv", home / "sweep.csv")
    write_table(read_table(home / "sweep.csv"), home / "runs/rate-law/table.parquet")


def fill(folder: Path, prepared: Path) -> None:
    """A folder to work in: what was prepared, and in `out/` studies that were run from `runs/`.
    A copy only where commands write: into `out/text`."""
    for item in prepared.iterdir():
        (folder / item.name).symlink_to(item)
    (folder / "out").mkdir()
    shutil.copytree(prepared / "runs/text/seed-0", folder / "out/text")
    for name in ("depth", "rates", "rate-law", "vision"):
        (folder / "out" / name).symlink_to(prepared / "runs" / name)
