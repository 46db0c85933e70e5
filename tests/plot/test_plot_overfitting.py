"""The figure of repeated data: held-out and training loss against epochs, the gap below."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from scaling import cli, laws
from scaling.errors import InputError
from scaling.fit import fit
from scaling.plot import overfitting
from scaling.plot.of_tables import of_repetition
from scaling.table import write_table

TRUTH = {
    "E": 1.2, "A": 40.0, "B": 300.0, "alpha": 0.3, "beta": 0.4,
    "P": 0.2, "delta": 1.1, "kappa": 0.3, "lam": 0.5,
}  # fmt: skip


def runs(*, training: bool = True) -> pd.DataFrame:
    rows = []
    rng = np.random.default_rng(0)
    for n in (1e4, 1e5, 3e5, 1e6):
        for u in (1e5, 4e5, 1e8):
            for d in [e * u for e in (1, 2, 4, 8, 16)] if u < 1e8 else np.geomspace(1e6, 1e8, 5):
                held_out = laws.get("overfit").predict(n, d, u, **TRUTH)
                gap = 0.01 * n**0.1 * (d / u) ** 0.6
                loss = held_out * np.exp(0.002 * rng.normal())
                rows.append((n, d, u, loss, held_out - gap, f"{n}/{u}"))
    df = pd.DataFrame(rows, columns=["N", "D", "D_unique", "loss", "train_loss", "trunk"])
    df = df.assign(L_kind="nats_per_token")
    return df if training else df.drop(columns="train_loss")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return runs()


def lines(ax: Axes, marker: str) -> list[np.ndarray]:
    return [line.get_ydata() for line in ax.lines if line.get_marker() == marker]


def test_three_sizes_above_their_gaps(table: pd.DataFrame) -> None:
    figure = of_repetition(table, draws=30, where="D <= 8 * D_unique")
    assert len(figure.axes) == 6
    assert "10k" in figure.axes[0].get_title(loc="left")
    assert figure.axes[0].get_ylabel() == "Loss (nats per token)"
    assert figure.axes[3].get_ylabel().startswith("Gap")
    # per training set: rows fitted, then rows held out (16 epochs)
    full, hollow = lines(figure.axes[0], "o")[:2]
    assert (len(full), len(hollow)) == (4, 1)
    assert hollow[0] == pytest.approx(
        table.query("N == 1e4 and D_unique == 1e5 and D == 1.6e6")["loss"].item()
    )
    # fresh data are on no panel: nothing of them is repeated
    assert sum(len(y) for y in lines(figure.axes[0], "v")) == 10


def test_the_star_is_the_laws_least_loss(table: pd.DataFrame) -> None:
    fitted = fit("overfit", table, draws=0)
    figure = overfitting(table, fitted)
    assert len(figure.axes) == 3  # no fit of the gap: losses only
    (star,) = [line for line in figure.axes[2].lines if line.get_marker() == "*"][:1]
    (at,), (low,) = star.get_xdata(), star.get_ydata()
    epochs = np.geomspace(1, 64, 4000)
    loss = fitted.predict(N=1e6, D=epochs * 1e5, D_unique=1e5)
    assert at == pytest.approx(epochs[np.argmin(loss)], rel=0.05)
    assert low == pytest.approx(loss.min(), rel=1e-3)


def test_without_a_training_loss_there_is_no_gap() -> None:
    assert len(of_repetition(runs(training=False), draws=0).axes) == 3


def test_tables_that_repeat_nothing_are_refused(table: pd.DataFrame) -> None:
    fitted = fit("overfit", table, draws=0)
    with pytest.raises(InputError, match="no column D_unique"):
        overfitting(table.drop(columns="D_unique"), fitted)
    with pytest.raises(InputError, match="no run repeats its data"):
        overfitting(table.assign(D_unique=1e9), fitted)
    with pytest.raises(InputError, match="no size was trained for two lengths"):
        overfitting(table.query("D == 1.6e6"), fitted)


def test_from_the_command_line(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(table, tmp_path / "runs.csv")
    words = ["plot", "overfitting", tmp_path / "runs.csv", "--draws", 20, "-o", tmp_path / "o.svg"]
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "fit-unique_1e_05" in (tmp_path / "o.svg").read_text()
