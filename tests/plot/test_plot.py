"""Figures: units on every axis, fixed bytes, what is forecast told from what is data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries.profiles import isoflop_table
from matplotlib.figure import Figure

from scaling import plot
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.fit.profile import Profile, profile
from scaling.forecast.forecasters import get
from scaling.forecast.rollouts.rollout import Rollout, rollout
from scaling.plot.style import end_labels
from scaling.plot.ticks import log_ticks

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
    family: str = ""


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
    """Runs that cool down over their last fifth, from the steady rate of a trunk."""
    shape = np.linspace(0.002, 1, 300)
    rate = np.where(shape <= 0.8, 0.01, 0.01 * (1 - shape) / 0.2)
    return {
        str(run): pd.DataFrame(
            {"tokens": shape * D, "loss": 3 - shape ** (1 / 3), "learning_rate": rate}
        )
        for run, D in zip(table["run"], table["D"], strict=True)
    }


def profiles(fitted: Fit) -> list[Profile]:
    asked = (("alpha", {}), ("a", {}), ("E", {}), ("N_opt", {"C": 1e13}))
    return [profile(fitted, name, at, points=11) for name, at in asked if name != "a"]


@cache
def rolled_out() -> Rollout:
    return rollout(isoflop_table(5), [get("isoflop"), get("approach_2")], draws=40)


RECORDS = [{"predicted_seconds": p, "seconds": p * f} for p, f in ((1, 1.1), (10, 0.7), (90, 1.2))]
DRAW: dict[str, Callable[[pd.DataFrame, Fit], Figure]] = {
    "loss_curves": lambda table, fitted: plot.loss_curves(table, curves(table)),
    "isoflop": lambda table, fitted: plot.isoflop(fitted),
    "slices": lambda table, fitted: plot.slices(fitted),
    "residuals": lambda table, fitted: plot.residuals(fitted),
    "frontier": lambda table, fitted: plot.frontier(fitted, [Outcome()]),
    "envelope": lambda table, fitted: plot.envelope(fitted),
    "proof": lambda table, fitted: plot.proof([Outcome(), Outcome(truth=None, error_pct=None)]),
    "cost": lambda table, fitted: plot.cost(RECORDS),
    "rates": lambda table, fitted: plot.rates(sweep()),
    "pairs": lambda table, fitted: plot.pairs(fitted),
    "profile": lambda table, fitted: plot.profile(profiles(fitted)),
    "rollout": lambda table, fitted: plot.rollout(rolled_out()),
}


def svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    plot.save(figure, buffer, ".svg")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["cost", "frontier"])  # of all: test_every_figure.py, slow
def test_same_values_same_bytes(name: str, table: pd.DataFrame, fitted: Fit) -> None:
    first = svg(DRAW[name](table, fitted))
    assert first == svg(DRAW[name](table, fitted))
    assert b"<dc:date" not in first
    assert b"<text" in first  # text stays text


@pytest.mark.parametrize("name", DRAW)
def test_axes_have_names_and_units(name: str, table: pd.DataFrame, fitted: Fit) -> None:
    axes = DRAW[name](table, fitted).axes
    if name == "pairs":
        assert [ax.get_xlabel() for ax in axes[-4:]] == ["$E$", "$A$", "$B$", r"$\alpha$"]
        return
    assert all(ax.get_xlabel() for ax in axes)
    labels = [axes[0].get_ylabel()] if name != "proof" else [axes[0].get_xlabel()]
    if name == "cost":
        assert "(s)" in labels[0]
    elif name in ("residuals", "rollout"):
        assert "(%)" in labels[0]
    elif name == "profile":
        assert "Likelihood ratio" in labels[0]
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


def test_a_trunk_is_drawn_once_and_a_cooldown_for_each_run(table: pd.DataFrame) -> None:
    trunks = table.assign(trunk=table["N"].astype(str))
    lines = plot.loss_curves(trunks, curves(table)).axes[0].lines
    names = [str(line.get_gid()) for line in lines if line.get_gid()]
    assert sum(name.startswith("trunk-") for name in names) == trunks["trunk"].nunique()
    assert sum(name.startswith("cooldown-") for name in names) == len(table)
    longest = next(line for line in lines if line.get_gid() == "cooldown-r15")
    start = np.nanmin(np.asarray(longest.get_xdata(), float)[1:])
    assert start == pytest.approx(0.8 * table["D"].max(), rel=0.05)


def test_isoflop_markers_are_runs_of_a_budget_or_say_that_they_are_not(fitted: Fit) -> None:
    between = plot.isoflop(fitted).axes[0]
    assert "interpolated" in str(between.get_legend().get_texts()[0].get_text())
    sizes = np.array([1e4, 2e4, 4e4, 8e4] * 3)
    budgets = np.repeat([1e11, 4e11, 1.6e12], 4)
    tokens = budgets / 6 / sizes
    grid = pd.DataFrame(
        {"N": sizes, "D": tokens, "loss": 0.9 + 37 / sizes**0.44 + 176 / tokens**0.44}
    )
    measured = plot.isoflop(fit("chinchilla", grid, draws=20)).axes[0]
    assert measured.get_legend().get_texts()[0].get_text() == "runs"
    runs = [line for line in measured.lines if str(line.get_gid()).startswith("runs-")]
    assert [len(line.get_xdata()) for line in runs] == [4, 4, 4]
    one_size = pd.DataFrame({"N": 1e4, "D": tokens, "loss": grid["loss"]})
    with pytest.raises(InputError, match="3 sizes"):
        plot.isoflop(fit("chinchilla_tied", one_size, draws=0))


def test_no_run_lies_below_the_envelope(fitted: Fit) -> None:
    lines = {line.get_gid(): line for line in plot.envelope(fitted).axes[0].lines}
    x, y = (np.asarray(v, float) for v in lines["envelope"].get_data())
    assert (np.diff(y[np.isfinite(y)]) <= 0).all()
    C = fitted.cost.flops_per_token(fitted.points["N"]) * fitted.points["D"]
    assert (np.interp(C, x, y) <= fitted.points["loss"] * 1.001).all()


def test_targets_stand_at_their_compute(fitted: Fit) -> None:
    left = plot.frontier(fitted, [Outcome(), Outcome(truth=None, error_pct=None)]).axes[0]
    stars = next(line for line in left.lines if line.get_gid() == "truths")
    assert np.asarray(stars.get_xdata(), float) == pytest.approx([11.4 * fitted.c_max])
    assert np.asarray(stars.get_ydata(), float) == pytest.approx([1.21])


@pytest.mark.parametrize(
    ("span", "first", "last"), [((1.2, 1.9), "1.2", "1.8"), ((6e3, 3e5), "10k", "200k")]
)
def test_ticks_are_named_where_a_reader_needs_them(
    span: tuple[float, float], first: str, last: str
) -> None:
    axes = Figure().subplots()
    axes.set(xscale="log", xlim=span)
    log_ticks(axes.xaxis, "quantity")
    axes.figure.draw_without_rendering()
    names = [tick.label1.get_text() for tick in axes.xaxis.get_major_ticks()]
    assert (names[0], names[-1]) == (first, last)
    assert len(axes.xaxis.get_minorticklocs()) > len(names)


def test_labels_at_line_ends_do_not_touch() -> None:
    axes = Figure(figsize=(3, 2)).subplots()
    end_labels(axes, [(0.5 + 0.001 * i, f"line {i}", "k") for i in range(6)], title="N")
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert np.diff(heights).min() * axes.get_window_extent().height * 72 / 100 > 6.8


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


def test_pairs_show_every_free_parameter_and_need_draws(table: pd.DataFrame, fitted: Fit) -> None:
    figure = plot.pairs(fitted)
    assert len(figure.axes) == 16
    shown = {str(ax.get_gid()) for ax in figure.axes}
    assert "pair-E-alpha" in shown
    held = fit("chinchilla_tied", table, draws=40, fixed={"E": 0.9})
    assert len(plot.pairs(held).axes) == 9
    with pytest.raises(InputError, match="pairs need 20 draws of two"):
        plot.pairs(fit("chinchilla_tied", table, draws=0))


def test_a_profile_is_a_curve_a_threshold_and_an_interval(fitted: Fit) -> None:
    shown = profiles(fitted)
    figure = plot.profile(shown)
    curve = next(line for line in figure.axes[0].lines if line.get_gid() == "profile-alpha")
    x, y = np.asarray(curve.get_xdata(), float), np.asarray(curve.get_ydata(), float)
    assert x[0] < shown[0].low < shown[0].high < x[-1]
    at = np.interp(shown[0].estimate, x, y)
    assert at == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="no profile: name a quantity"):
        plot.profile([])
