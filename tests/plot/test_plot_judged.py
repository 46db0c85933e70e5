"""Figures of how methods fare: coverage of intervals, and laws compared."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from scaling import plot
from scaling.errors import InputError
from scaling.forecast.forecasters import get
from scaling.forecast.rollouts.coverage import LEVELS, Coverage, wilson
from scaling.forecast.rollouts.select import Comparison, compare
from scaling.plot.marks import marks_of

QUANTITIES, DISTANCES = ("loss", "N_opt"), ("inside", "10x", "100x")


def answers(share: float, n: int, forecaster: str) -> pd.DataFrame:
    """Of each question n answers, of which every level's interval held `share` times its level."""
    rows = []
    for quantity in QUANTITIES:
        for distance in DISTANCES:
            for i in range(n):
                held = {f"held {level}": bool(i < round(share * level * n)) for level in LEVELS}
                where = {"forecaster": forecaster, "quantity": quantity, "distance": distance}
                rows.append({**where, **held, "width": 1.0, "score": 1.0, "error": 0.1})
    return pd.DataFrame(rows)


def test_coverage_is_drawn_with_wilson_s_interval() -> None:
    found = Coverage(pd.concat([answers(1.0, 40, "right"), answers(0.5, 40, "narrow")]))
    figure = plot.coverage(found)
    assert len(figure.axes) == 6
    marks = {item.name: item.columns for item in marks_of(figure)}
    assert len(marks) == 12
    one = marks["coverage-N_opt-100x-narrow"]
    assert one["observed"] == pytest.approx([0.25, 0.4, 0.45, 0.475])
    low, high = wilson(18, 40)
    assert (one["low"][2], one["high"][2]) == (pytest.approx(low), pytest.approx(high))
    # what chance allows right intervals holds the right ones, and not the narrow
    band = next(c for c in figure.axes[0].collections if c.get_gid() == "chance")
    edge = band.get_paths()[0].vertices
    low, high = (pick(edge[np.isclose(edge[:, 0], 90), 1]) for pick in (np.min, np.max))
    assert low < 90 < high
    assert low > 45
    assert "right (n = 40)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_more_forecasters_than_colours_are_refused() -> None:
    many = pd.concat([answers(1.0, 2, f"f{i}") for i in range(9)])
    with pytest.raises(InputError, match="9 forecasters"):
        plot.coverage(Coverage(many))


@pytest.fixture(scope="module")
def compared() -> Comparison:
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e6, 1e8, 6), np.geomspace(2e7, 4e9, 6)))
    noise = np.random.default_rng(0).normal(0, 0.004, len(N))
    loss = (1.69 + 406 / N**0.34 + 410 / D**0.28) * np.exp(noise)
    table = pd.DataFrame({"N": N, "D": D, "loss": loss, "L_kind": "nats_per_token"})
    return compare(table, [get("chinchilla_tied"), get("kaplan")], draws=60)


def test_laws_stand_by_their_rollouts_and_fan_out(compared: Comparison) -> None:
    figure = plot.comparison(compared, kind="nats_per_token")
    marks = {item.name: item.columns for item in marks_of(figure)}
    best, second = compared.standings
    assert (best.name, second.name) == ("chinchilla_tied", "kaplan")
    assert marks["error-kaplan"]["error_pct"] == second.loss_error
    bar = next(x for x in figure.axes[0].lines if list(x.get_ydata()) == [1, 1])
    assert np.asarray(bar.get_xdata()) == pytest.approx(
        best.loss_error + np.array(second.behind[1:])
    )
    assert marks["weight-chinchilla_tied"]["weight"] == best.weight
    lines = {x.get_gid(): x for x in figure.axes[2].lines}
    far = 100 * compared.average.c_max
    for name, predictor in compared.predictors.items():
        dashed = lines[f"forecast-{name}"]
        expected = predictor.optimum(far).loss.point
        assert float(np.asarray(dashed.get_ydata())[-1]) == pytest.approx(float(expected))
    labels = [text.get_text() for text in figure.axes[2].texts]
    assert {label.split()[0] for label in labels} >= {"chinchilla_tied", "kaplan", "average"}


def test_names_of_any_length_and_with_markup_are_drawn() -> None:
    odd = ["x" * 500, "<b>$a_1$</b>", "two lines $"]
    found = Coverage(pd.concat([answers(1.0, 4, name) for name in odd]))
    buffer = io.BytesIO()
    plot.save(plot.coverage(found), buffer, ".svg")
    text = buffer.getvalue().decode()
    assert "x" * 31 + "…" in text
    assert ">" + "x" * 32 not in text  # ids hold all of it
    assert "&lt;b&gt;$a_1$&lt;/b&gt; (n = 4)" in text
    assert "two lines $ (n = 4)" in text
