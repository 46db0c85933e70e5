"""From logs to a table by `scaling import`: the tools' own files; evaluations joined to runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from batteries.importers import BATCH_TOKENS, NAN, MadeRun
from batteries.printed_logs import nanogpt
from typer.testing import CliRunner

from scaling.cli import app

FILES = Path(__file__).parent / "files"
EVERY = 500  # steps between held-out losses


def imported(tmp_path: Path, *sources: str | Path) -> tuple[pd.DataFrame, str]:
    """The table of these sources, with all that was printed."""
    out = tmp_path / "runs.csv"
    told = CliRunner().invoke(app, ["import", *map(str, sources), "-o", str(out), "--yes"])
    assert told.exit_code == 0, told.output + str(told.exception)
    return pd.read_csv(out), told.output


@pytest.mark.parametrize(
    ("tool", "row"),
    [
        ("hf", {"N": 888, "N_total": 1336, "D": 12 * 8 * 16, "N_kind": "non_embedding"}),
        ("olmo", {"N": 197_056, "N_total": 262_592, "D": 60 * 4096, "learning_rate": 1e-3}),
        ("levanter", {"N_total": 51_200, "D": 40 * 16 * 64, "batch_tokens": 1024, "seed": 3}),
    ],
)
def test_a_tools_own_files_become_a_row(
    tool: str, row: dict[str, float | str], tmp_path: Path
) -> None:
    df, told = imported(tmp_path, FILES / tool)
    got = df.iloc[0].to_dict()
    assert {name: got[name] for name in row} == row
    assert (got["status"], got["L_kind"]) == ("finished", "nats_per_token")
    assert "next: scaling fit" in told


def width(n: int) -> int:
    return 16 * 2 ** (n % 4)


def loss_at(N: float, D: float) -> float:
    return 1.5 + 8 / N**0.3 + 86 / D**0.3


def ladder(folder: Path) -> None:
    """Twelve runs of four widths as nanoGPT logs them, and the harness's results of eleven."""
    (folder / "logs").mkdir()
    for n in range(12):
        d, steps = width(n), 2000 * 2 ** (n // 4)
        loss = loss_at(2 * 12 * d * d, steps * BATCH_TOKENS)
        points = [(step, loss + 1 / step, NAN) for step in range(EVERY, steps, EVERY)]
        points.append((steps, loss, loss))
        shape = {"n_layer": 2, "n_head": 2, "n_embd": d, "vocab_size": 128, "block_size": 8}
        run = MadeRun(f"run-{n}", tuple(points), {**shape, "bias": False, "max_iters": steps})
        (folder / "logs" / f"{run.name}.log").write_text(nanogpt(run))
        accuracy = 0.25 + 0.7 / (1 + math.exp(6 * (loss - 2.2)))
        said = {
            "results": {"arc": {"acc,none": accuracy, "acc_stderr,none": 0.01}},
            "model_name": f"out/run-{n}/step{steps}" if n else "out/another",
        }
        (folder / "evals" / f"run{n}").mkdir(parents=True)
        (folder / "evals" / f"run{n}" / f"results_2026-{n}.json").write_text(json.dumps(said))


def test_evaluations_are_joined_for_downstream(tmp_path: Path) -> None:
    ladder(tmp_path)
    df, _ = imported(tmp_path, tmp_path / "logs", tmp_path / "evals")
    assert len(df) == 12
    assert df["arc/acc"].notna().sum() == 11
    assert df.loc[df["run"] == "run-0", "arc/acc"].isna().all()
    assert "no run that was read is called another" in (tmp_path / "runs.import.txt").read_text()
    asked = (
        "--columns accuracy=arc/acc --chance 0.25 --params 1e6 --tokens 1.28e9 --draws 20 --json"
    )
    command = ["downstream", str(tmp_path / "runs.csv"), *asked.split(), "--draws", "20"]
    answered = CliRunner().invoke(app, command)
    assert answered.exit_code == 0, answered.output + str(answered.exception)
    loss = loss_at(1e6, 1.28e9)
    accuracy = 0.25 + 0.7 / (1 + math.exp(6 * (loss - 2.2)))
    outcome = json.loads(answered.output)["outcomes"][0]
    assert outcome["accuracy"]["point"] == pytest.approx(accuracy, abs=0.02)


def test_evaluations_alone_say_what_is_needed(tmp_path: Path) -> None:
    source = str(FILES / "lm_eval")
    told = CliRunner().invoke(app, ["import", source, "-o", str(tmp_path / "a.csv"), "--yes"])
    assert "evaluations, which hold no training; give the runs' source, too" in str(told.exception)
