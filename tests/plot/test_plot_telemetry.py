"""The telemetry figure: what is told is drawn, what is found is marked, what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from scaling import plot
from scaling.cli import app
from scaling.errors import InputError

FOUND = {"label": "spike", "step": 300, "block": "attention_1", "told": "up and back"}


@pytest.fixture
def curve() -> pd.DataFrame:
    step = np.arange(16, 657, 16)
    return pd.DataFrame(
        {
            "step": step,
            "tokens": step * 1024,
            "loss": 4 * step**-0.2,
            "learning_rate": 0.01,
            "attention_logit": np.nan,
            "held_out": np.where(step % 160 == 0, 2.0, np.nan),
            **{f"grad_norm/attention_{n}": 10.0**-n * step**-0.1 for n in range(4)},
            **{f"update_ratio/attention_{n}": 1e-3 for n in range(4)},
            **{f"activation_rms/attention_{n}": [np.inf, *step[1:]] for n in range(4)},
        }
    )


def gids(figure: Figure) -> set[str]:
    return {str(artist.get_gid()) for artist in figure.findobj() if artist.get_gid()}


def test_every_block_is_a_line_and_every_finding_a_mark(curve: pd.DataFrame) -> None:
    figure = plot.telemetry(curve, [FOUND] * 8)
    assert {"loss", "held_out", "learning_rate", "finding-0", "finding-5"} <= gids(figure)
    assert "finding-6" not in gids(figure)
    assert {f"grad_norm_attention_{n}" for n in range(4)} <= gids(figure)
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "Largest attention logit:\nnot told of this model" in words
    (key,) = [text for text in words if text.startswith("dotted")]
    assert key.endswith("6  spike, attention_1\nand 2 more")
    assert {"1", "6"} <= set(words)
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 5
    assert all(axes.get_xlabel() == "Step" and axes.get_ylabel() for axes in shown)


def test_a_curve_of_an_older_study_is_drawn_as_far_as_it_goes(curve: pd.DataFrame) -> None:
    figure = plot.telemetry(curve[["step", "loss", "learning_rate"]])
    assert {"loss", "learning_rate"} == gids(figure)
    plot.telemetry(curve.iloc[:0])
    with pytest.raises(InputError, match="the curve has no column learning_rate; it has step, los"):
        plot.telemetry(curve[["step", "loss"]])


def test_the_command(curve: pd.DataFrame, tmp_path: Path) -> None:
    curve.to_parquet(tmp_path / "curve.parquet")
    (tmp_path / "record.json").write_text(json.dumps({"findings": [FOUND]}))
    out = tmp_path / "told.svg"
    done = CliRunner().invoke(app, ["plot", "telemetry", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "spike, attention_1" in out.read_text()
    bad = CliRunner().invoke(app, ["plot", "telemetry", str(tmp_path / "no"), "--out", str(out)])
    assert "no run's folder" in str(bad.exception)
