"""A study's runs, told to all four trackers while they train, come back as its own table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from batteries.sources import prose

from scaling.table import read_table

GRID = """name = "tiny"
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
# Of each tracker: where it keeps the runs, and how exactly.
STORES = {"wandb": ("out/trackers/wandb", 0.0), "tensorboard": ("out/trackers/tensorboard", 1e-7),
          "mlflow": ("out/trackers/mlflow", 0.0), "trackio": ("trackio", 0.0)}  # fmt: skip


@pytest.mark.slow
def test_what_trackers_were_told_is_imported_as_the_table_has_it(tmp_path: Path) -> None:
    for name in STORES:
        pytest.importorskip(name, reason="needs all four: pip install 'scaling-laws[trackers]'")
    (tmp_path / "text").mkdir()
    for number in range(16):
        (tmp_path / f"text/{number}.txt").write_text(prose(number))
    (tmp_path / "grid.toml").write_text(GRID.format(folder=tmp_path / "text"))

    def scaling(*arguments: str) -> str:
        command = [sys.executable, "-m", "scaling.cli", *arguments]
        told = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")}
        done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    trackers = [part for name in STORES for part in ("--tracker", name)]
    scaling("run", "grid.toml", "--out", "out", *trackers)
    key = ["N", "D", "seed"]
    table = read_table(tmp_path / "out" / "table.parquet").sort_values(key)
    for name, (store, digits) in STORES.items():
        json.loads(scaling("import", store, "--yes", "--json", "-o", f"{name}.parquet"))
        imported = read_table(tmp_path / f"{name}.parquet").sort_values(key)
        assert len(imported) == len(table) == 8
        assert set(imported.status) == {"finished"}
        for column in (*key, "N_total", "C", "learning_rate", "loss"):
            np.testing.assert_allclose(imported[column], table[column], rtol=digits, err_msg=name)
        for column in ("N_kind", "D_kind", "C_kind", "L_kind", "family"):
            assert set(imported[column]) == set(table[column])
