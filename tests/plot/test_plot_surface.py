"""Figures of the whole fitted surface: contours, and slices at the best split."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from scaling import plot
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.plot.marks import marks_of


def ladder(sizes: int = 5, lengths: int = 5) -> pd.DataFrame:
    N, D = (
        v.ravel()
        for v in np.meshgrid(np.geomspace(1e6, 1e8, sizes), np.geomspace(2e7, 4e9, lengths))
    )
    noise = np.random.default_rng(0).normal(0, 0.004, len(N))
    loss = (1.69 + 406 / N**0.34 + 410 / D**0.28) * np.exp(noise)
    return pd.DataFrame(
        {"N": N, "D": D, "C": 6.4 * N * D, "loss": loss, "C_kind": "counted",
         "L_kind": "nats_per_token", "D_kind": "tokens"}
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit("chinchilla", ladder(), draws=60)


def line(figure: Figure, name: str) -> tuple[np.ndarray, np.ndarray]:
    found = next(x for ax in figure.axes for x in ax.lines if x.get_gid() == name)
    return np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)


def test_contours_show_the_budget_s_optimum_with_its_interval(fitted: Fit) -> None:
    C = 50 * fitted.c_max
    figure = plot.contours(fitted, C)
    best = fitted.optimum(C)
    star = next(item for item in marks_of(figure) if item.name == "optimum").columns
    low, high = best.N.interval()
    assert star["N"] == pytest.approx(best.N.point)
    assert (star["N_q05"], star["N_q95"]) == (pytest.approx(low), pytest.approx(high))
    N, D = line(figure, "interval-optimum")
    assert (N[0], N[-1]) == (pytest.approx(low), pytest.approx(high))
    assert fitted.cost.flops_per_token(N) * D == pytest.approx(C)  # along the budget's line
    told = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "50$\\times$ the largest run" in told


def test_contours_are_solid_among_the_runs_alone(fitted: Fit) -> None:
    figure = plot.contours(fitted)
    axes = figure.axes[0]
    groups = {item.get_gid(): item for item in axes.collections}
    assert groups["contours-fit"].get_clip_path() is not None
    assert list(groups["contours-fit"].levels) == list(groups["contours-forecast"].levels)
    levels = groups["contours-fit"].levels
    assert len(levels) == 9
    for level, path in zip(levels, groups["contours-fit"].get_paths(), strict=True):
        at = path.vertices[:: max(len(path.vertices) // 7, 1)]
        assert fitted.loss(*at.T).point == pytest.approx(level, rel=2e-3)
    solid, dashed = line(figure, "fit-frontier"), line(figure, "forecast-frontier")
    known = np.isfinite(solid[1])
    assert solid[0][known].max() <= 1e8 * (1 + 1e-9)
    assert np.nanmax(dashed[1]) == pytest.approx(fitted.optimum(10 * fitted.c_max).D.point)


def test_the_frontier_s_band_is_that_of_the_size_at_each_budget(fitted: Fit) -> None:
    axes = plot.contours(fitted).axes[0]
    band = next(p for p in axes.patches if p.get_gid() == "band-frontier")
    assert isinstance(band, Polygon)
    N, D = band.get_xy()[0]
    C = fitted.cost.flops_per_token(N) * D
    assert pytest.approx(fitted.c_min) == C
    assert pytest.approx(fitted.optimum(C).N.interval()[0]) == N


def test_contours_need_an_area_and_a_budget(fitted: Fit) -> None:
    with pytest.raises(InputError, match="finite number of FLOPs above 0"):
        plot.contours(fitted, -1.0)
    N = np.geomspace(1e6, 1e8, 16)
    along = pd.DataFrame({"N": N, "D": 20 * N, "loss": 1.7 + 400 / N**0.34})
    with pytest.raises(InputError, match="one line of N and D"):
        plot.contours(fit("chinchilla_tied", along, draws=0))


def test_contours_of_a_thousand_runs_take_less_than_a_second() -> None:
    large = fit("chinchilla_tied", ladder(20, 50), draws=100)
    start = time.process_time()
    figure = plot.contours(large)
    assert time.process_time() - start < 1
    assert len(next(m for m in marks_of(figure) if m.name == "runs").columns["N"]) == 1000


def test_the_third_slice_is_the_loss_at_the_best_split(fitted: Fit) -> None:
    figure = plot.slices(fitted)
    assert len(figure.axes) == 3
    C, loss = line(figure, "forecast-best_split")
    beyond = np.isfinite(loss)
    assert loss[beyond] == pytest.approx(fitted.optimum(C[beyond]).loss.point)
    assert C[beyond].max() == pytest.approx(30 * fitted.c_max)
    solid, inside = line(figure, "fit-best_split")
    assert solid[np.isfinite(inside)].max() <= 1.02 * fitted.c_max
    runs = next(item for item in marks_of(figure) if item.name == "runs-C")
    assert runs.columns["loss"] == pytest.approx(fitted.points["loss"])


def test_in_one_column_the_words_of_contours_are_broken(fitted: Fit) -> None:
    column = Figure(figsize=(3.5, 3.5), layout="constrained")
    axes = column.subplots()
    assert plot.contours(fitted, ax=axes) is column
    column.draw_without_rendering()
    width = column.bbox.width
    words = [*axes.get_legend().get_texts(), axes.texts[-1]]
    assert axes.texts[-1].get_text().count("\n") == 2
    assert all(text.get_window_extent().x1 <= width for text in words)


def test_of_very_many_runs_some_are_drawn_and_all_are_counted() -> None:
    many = pd.concat([ladder(20, 100)] * 2, ignore_index=True)
    figure = plot.contours(fit("chinchilla_tied", many, draws=0))
    runs = next(item for item in marks_of(figure) if item.name == "runs")
    assert len(runs.columns["N"]) == 1000
    assert "1,000 of 4,000 runs drawn" in " ".join(x.get_text() for x in figure.axes[0].texts)
