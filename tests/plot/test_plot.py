"""Figures: units on every axis, fixed bytes, what is forecast told from what is data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scaling import plot
from scaling.errors import InputError
from scaling.fit import Fit, fit

N, D = (v.ravel() for v in np.meshgrid([1e4, 2e4, 5e4, 1e5], [5e5, 1e6, 2e6, 4e6]))
NOISE = np.random.default_rng(0).normal(0, 0.004, len(N))


@dataclass(frozen=True)
class Outcome:
    cell: str = "0123456789abcdef"
    compute_ratio: float = 11.4
    forecast: float = 1.20
    q05: float = 1.15
    q95: float = 1.25
    truth: float | None = 1.21
    error_pct: float | None = -0.8


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    loss = (0.9 + 37 / N**0.44 + 176 / D**0.44) * np.exp(NOISE)
    return pd.DataFrame(
        {
            "run": [f"r{i}" for i in range(len(N))], "N": N, "D": D, "C": 7 * N * D, "loss": loss,
            "N_kind": "non_embedding", "C_kind": "counted", "L_kind": "nats_per_token",
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> Fit:
    return fit("chinchilla_tied", table, draws=40)


def sweep() -> pd.DataFrame:
    rows = [
        {"learning_rate": lr, "config": json.dumps({"width": w}), "transfer": how, "N": w * w,
         "loss": 1.5 + 0.1 * np.log(lr / (0.01 if how == "mup" else 0.32 / w)) ** 2 - w / 500}
        for w in (24, 48, 96) for lr in (0.003, 0.006, 0.012, 0.024) for how in ("mup", "none")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def curves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tokens = np.linspace(1e3, 5e5, 300)
    return {run: pd.DataFrame({"tokens": tokens, "loss": 3 - tokens / 5e5}) for run in table["run"]}


RECORDS = [{"predicted_seconds": p, "seconds": p * f} for p, f in ((1, 1.1), (10, 0.7), (90, 1.2))]
DRAW: dict[str, Callable[[pd.DataFrame, Fit], Figure]] = {
    "loss_curves": lambda table, fitted: plot.loss_curves(table, curves(table)),
    "isoflop": lambda table, fitted: plot.isoflop(fitted),
    "slices": lambda table, fitted: plot.slices(fitted),
    "residuals": lambda table, fitted: plot.residuals(fitted),
    "frontier": lambda table, fitted: plot.frontier(fitted, truth=[(1e14, 1.1)]),
    "proof": lambda table, fitted: plot.proof([Outcome(), Outcome(truth=None, error_pct=None)]),
    "cost": lambda table, fitted: plot.cost(RECORDS),
    "rates": lambda table, fitted: plot.rates(sweep()),
}


def svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    plot.save(figure, buffer, ".svg")
    return buffer.getvalue()


@pytest.mark.parametrize("name", DRAW)
def test_same_values_same_bytes(name: str, table: pd.DataFrame, fitted: Fit) -> None:
    first = svg(DRAW[name](table, fitted))
    assert first == svg(DRAW[name](table, fitted))
    assert b"<dc:date" not in first
    assert b"<text" in first  # text stays text


@pytest.mark.parametrize("name", DRAW)
def test_axes_have_names_and_units(name: str, table: pd.DataFrame, fitted: Fit) -> None:
    axes = DRAW[name](table, fitted).axes
    assert all(ax.get_xlabel() for ax in axes)
    labels = [axes[0].get_ylabel()] if name != "proof" else [axes[0].get_xlabel()]
    if name == "cost":
        assert "(s)" in labels[0]
    elif name == "residuals":
        assert "(%)" in labels[0]
    else:
        assert "(nats per token)" in labels[0]


def test_compute_is_called_what_it_is(table: pd.DataFrame, fitted: Fit) -> None:
    assert "counted" in plot.frontier(fitted).axes[0].get_xlabel()
    plain = fit("chinchilla_tied", table.drop(columns=["C", "C_kind"]), draws=20)
    assert "6ND" in plot.frontier(plain).axes[0].get_xlabel()


def test_size_is_called_what_it_is(table: pd.DataFrame) -> None:
    total = fit("chinchilla_tied", table.assign(N_total=1.2 * table["N"]), N="N_total", draws=20)
    assert "total" in plot.isoflop(total).axes[0].get_xlabel()


def test_fit_is_solid_inside_and_dashed_beyond(fitted: Fit) -> None:
    lines = {line.get_gid(): line for line in plot.frontier(fitted).axes[0].lines}
    solid, dashed = lines["fit-loss"], lines["forecast-loss"]
    x = np.asarray(solid.get_xdata(), float)
    inside, beyond = np.isfinite(solid.get_ydata()), np.isfinite(dashed.get_ydata())
    assert x[inside].max() <= fitted.c_max
    assert x[beyond].max() == pytest.approx(30 * fitted.c_max)
    assert dashed.get_linestyle() == "--"


def test_bands_are_drawn(fitted: Fit) -> None:
    for figure in (plot.frontier(fitted), plot.slices(fitted), plot.isoflop(fitted)):
        assert all(len(ax.collections) for ax in figure.axes)


def test_rates_mark_the_same_optimum_with_transfer_and_a_drift_without() -> None:
    stars = [
        [float(np.asarray(line.get_xdata())[0]) for line in ax.lines if line.get_marker() == "*"]
        for ax in plot.rates(sweep()).axes
    ]
    assert np.ptp(np.log(stars[0])) < 0.05
    assert stars[1][0] > 2 * stars[1][-1]


def test_draws_on_axes_of_the_caller(fitted: Fit) -> None:
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert plot.frontier(fitted, ax=list(axes)) is figure
    with pytest.raises(InputError, match="1 axes given; this figure needs 2"):
        plot.frontier(fitted, ax=[axes[0]])


def test_bad_input(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="curve"):
        plot.loss_curves(table, {})
    with pytest.raises(InputError, match="time"):
        plot.cost([{"seconds": None}])
    with pytest.raises(InputError, match="no target"):
        plot.proof([])
    with pytest.raises(InputError, match="transfer"):
        plot.rates(table)
    with pytest.raises(InputError, match="svg"):
        plot.save(Figure(), tmp_path / "figure.docx")
