"""Figures of decisions: a forecast, regret, two recipes, and the runs that a design chose."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from batteries.vision import TRUTHS, vision_table
from matplotlib.figure import Figure

from scaling import plot
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import Forecast
from scaling.forecast import forecast as forecast_at
from scaling.forecast.decisions.crossing import SideBySide, side_by_side
from scaling.forecast.decisions.regret import decide
from scaling.forecast.decisions.versus import at_compute
from scaling.forecast.designs.candidates import of_ladder
from scaling.forecast.designs.design import Candidate, Design
from scaling.forecast.designs.design import design as designed
from scaling.forecast.designs.narrowing import narrowings
from scaling.forecast.rows import rows_of
from scaling.plot.marks import marks_of


def ladder() -> pd.DataFrame:
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e6, 1e8, 5), np.geomspace(2e7, 4e9, 5)))
    noise = np.random.default_rng(0).normal(0, 0.01, len(N))
    loss = (1.69 + 406 / N**0.34 + 410 / D**0.28) * np.exp(noise)
    return pd.DataFrame({"N": N, "D": D, "loss": loss, "L_kind": "nats_per_token"})


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit("chinchilla", ladder(), draws=120)


@pytest.fixture(scope="module")
def view() -> SideBySide:
    table = vision_table({name: TRUTHS[name] for name in ("cnn", "resnet")}, sizes=4)
    return side_by_side("chinchilla", table, draws=60)[0]


def columns(figure: Figure, name: str) -> dict[str, np.ndarray]:
    return next(item for item in marks_of(figure) if item.name == name).columns


def told(figure: Figure) -> str:
    texts = [text for ax in figure.axes for text in (*ax.texts, ax.title, ax._left_title)]
    return " ".join(text.get_text() for text in texts)


def test_a_forecast_shows_its_intervals_and_its_reach(fitted: Fit) -> None:
    one = forecast_at(
        fitted, compute=30 * fitted.c_max, naive=lambda C: {"twenty": (C / 120) ** 0.5}
    )
    figure = plot.forecast(replace(one, checked=8.0))
    assert len(figure.axes) == 4
    for name, value in (("loss", one.loss), ("N", one.n_opt), ("D", one.d_opt)):
        bar = next(x for ax in figure.axes for x in ax.lines if x.get_gid() == f"interval-{name}")
        assert list(bar.get_xdata()) == [value.q05, value.q95]
        assert columns(figure, name)["estimate"] == value.point
    reach = figure.axes[3]
    parts = {x.get_gid(): np.asarray(x.get_xdata(), float) for x in reach.lines}
    assert parts["data"] == pytest.approx([fitted.c_min, fitted.c_max])
    assert parts["unchecked"] == pytest.approx([8 * fitted.c_max, one.C])
    assert "30 x the largest run fitted" in told(figure)
    assert "20 per parameter" in told(figure)


def test_a_forecast_without_draws_or_runs_is_drawn_all_the_same(fitted: Fit) -> None:
    bare: Forecast = forecast_at(fitted.bare, compute=1e20)
    figure = plot.forecast(replace(bare, compute_ratio=0.0, least_ratio=0.0))
    assert not [x for ax in figure.axes for x in ax.lines if "interval" in str(x.get_gid())]
    assert "neither is the distance" in told(figure)


def test_regret_is_that_of_the_decision(fitted: Fit) -> None:
    C = 20 * fitted.c_max
    choices = {"twenty": (C / 120) ** 0.5}
    figure = plot.regret(fitted, C, choices=choices)
    found = decide(fitted, C, choices=choices)
    for name, item in found.choices.items():
        told = columns(figure, f"choice-{name}")
        assert (told["N"], told["wasted"]) == (item.N, item.share)
    curve = next(x for x in figure.axes[0].lines if x.get_gid() == "regret")
    ratio, wasted = (np.asarray(v, float) for v in curve.get_data())
    at = found.choices["twenty"].N / found.choices["N_opt"].N
    assert np.interp(np.log(at), np.log(ratio), wasted) == pytest.approx(
        100 * found.choices["twenty"].share, rel=0.05
    )
    assert "20$\\times$ the largest run's" in figure.axes[0].get_title(loc="left")
    with pytest.raises(InputError, match="fit with draws"):
        plot.regret(fitted.bare, C)


def test_two_recipes_by_compute(view: SideBySide) -> None:
    groups, crossing = view.groups, view.crossings[0]
    ends = [one.c_max for one in groups.fits.values()]
    duels = at_compute(groups, np.geomspace(min(ends) / 10, 30 * max(ends), 7).tolist())
    figure = plot.versus(duels, crossing, kind=groups.kinds["L_kind"])
    name = duels[-1].ahead
    chance = columns(figure, "chances")["chance"]
    assert chance[-1] == duels[-1].chance >= 0.5
    first = duels[0].chance if duels[0].ahead == name else 1 - duels[0].chance
    assert chance[0] == pytest.approx(first)
    lower = columns(figure, "differences")
    assert (lower["q05"] <= lower["lower"]).all()
    assert (lower["lower"] <= lower["q95"]).all()
    # half of the draws or more: the estimate is on that side, but for what is nearly even
    clear = np.abs(chance - 0.5) > 0.2
    assert ((lower["lower"] > 0) == (chance > 0.5))[clear].all()
    assert f"That {name} wins" in told(figure)
    band = next(p for p in figure.axes[0].patches if p.get_gid() == "band-crossing")
    assert band.get_x() == pytest.approx(crossing.q05)
    with pytest.raises(InputError, match="two or more"):
        plot.versus(duels[:1])
    other = replace(duels[0], ahead="vit")
    with pytest.raises(InputError, match="several pairs"):
        plot.versus([*duels, other])


@pytest.fixture(scope="module")
def design() -> tuple[pd.DataFrame, list[Candidate], Design]:
    table = ladder()
    runs = of_ladder(rows_of(table), 3e18)
    return table, runs, designed(table, runs, target=1e21, budget=3e18, draws=300, most=12)


def test_a_design_is_drawn_beside_a_grid_of_the_same_cost(
    design: tuple[pd.DataFrame, list[Candidate], Design],
) -> None:
    table, runs, found = design
    ours, grid = narrowings(table, runs, found, draws=300)
    assert grid is not None
    assert grid.spent[-1] == pytest.approx(found.spent)
    assert ours.spent[-1] == pytest.approx(found.spent)
    assert ours.widths[0].loss == pytest.approx(found.width_before.loss, rel=1e-3)
    assert ours.widths[-1].loss == pytest.approx(found.width_after.loss, rel=1e-3)
    assert found.width_after.loss < grid.widths[-1].loss < found.width_before.loss
    sizes = sorted({run.N for run in grid.runs})
    assert np.diff(np.log(sizes)) == pytest.approx(np.log(sizes[1] / sizes[0]))
    figure = plot.design(found, runs, ours, grid, known=(table["N"], table["D"]))
    chosen = columns(figure, "chosen")
    assert list(chosen["N"]) == [run.N for run in found.runs]
    assert list(chosen["order"]) == list(range(1, len(found.runs) + 1))
    widths = columns(figure, "widths-geometric_grid")["width"]
    assert widths[-1] == pytest.approx(100 * grid.widths[-1].loss)
    labels = [text.get_text() for text in figure.axes[1].texts]
    assert any(re.fullmatch(r"design: [\d.]+", label) for label in labels)


def test_a_budget_below_the_smallest_grid_has_none(
    design: tuple[pd.DataFrame, list[Candidate], Design],
) -> None:
    table, runs, _ = design
    least = min(runs, key=lambda run: run.C)
    found = designed(table, runs, target=1e21, budget=1.5 * least.C, draws=300)
    ours, grid = narrowings(table, runs, found, draws=300)
    assert grid is None
    assert "no geometric grid" in told(plot.design(found, runs, ours, grid))
