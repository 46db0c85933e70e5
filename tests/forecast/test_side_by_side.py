"""Several sources of a forecast: conventions, recipes, tables and files of rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import forecast, published_law
from scaling.forecast.frontier_table import row_of, write
from scaling.forecast.grounds import of_fit, of_published
from scaling.forecast.rates import rates_of
from scaling.forecast.sources import Source, comparable

LAW = laws.get("chinchilla")


def fitted(**columns: object) -> Fit:
    table = battery.table(LAW, battery.truth(LAW), noise=0.01)
    per_token = 6 * table["N"] + 900 * table["N"] ** 0.6
    if columns.get("C_kind") == "counted":
        table = table.assign(C=per_token * table["D"])
    return fit(LAW, table.assign(**columns), draws=20)


def of(name: str, made: Fit | None = None) -> Source:
    return Source(name, of_published(published_law(name)) if made is None else of_fit(made))


def test_one_convention_passes_and_a_silent_one_is_told() -> None:
    found, notes = comparable([of("hoffmann2022"), of("besiroglu2024"), of("mine", fitted())])
    assert [item.name for item in found] == ["hoffmann2022", "besiroglu2024", "mine"]
    assert "mine does not state N_kind; taken as total, as of the others" in notes
    assert any("do not compare" in note for note in notes)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"N_kind": "non_embedding"}, "conventions of N: hoffmann2022 has N_kind = total, mine"),
        ({"N_kind": "total", "D_kind": "images"}, None),
    ],
)
def test_two_conventions_are_named(columns: dict[str, str], message: str | None) -> None:
    pair = [of("hoffmann2022"), of("mine", fitted(**columns))]
    if message is None:
        comparable(pair)  # what D counts is not stated of the other
        return
    with pytest.raises(InputError, match=message):
        comparable(pair)


def test_a_counted_fit_is_asked_in_6nd_beside_others_and_nothing_else_is() -> None:
    mine = fitted(C_kind="counted")
    (_, found), notes = comparable([of("hoffmann2022"), of("mine", mine)])
    assert found.predictor.cost.kind == "6ND"
    assert any("C is 6ND here" in note for note in notes)
    best = found.predictor.optimum(1e18)
    np.testing.assert_allclose(6 * best.N.point * best.D.point, 1e18)
    assert found.predictor.c_max == pytest.approx(6 * 1e9 * 3e10)
    assert mine.cost.kind == "counted"  # the fit itself is left alone


def test_recipes_by_published_laws() -> None:
    step, deepseek = rates_of(
        ("steplaw2025", "deepseek2024"), N=1e9, D=2e10, C=1.2e20, n_column="N", d_kind="tokens"
    )
    assert step.learning_rate == pytest.approx(1.79 * 1e9**-0.713 * 2e10**0.307)
    assert step.batch == pytest.approx(0.58 * 2e10**0.571)
    assert step.steps == round(2e10 / step.batch)
    assert step.told == ()  # inside its data
    assert deepseek.learning_rate == pytest.approx(0.3118 * 1.2e20**-0.125)
    assert deepseek.told == ("C is 6x above its data",)
    (images,) = rates_of(("steplaw2025",), N=1e9, D=2e10, C=1e20, n_column="N", d_kind="images")
    assert images.learning_rate is None
    assert "D_kind = tokens" in str(images)
    (total,) = rates_of(
        ("steplaw2025",), N=1e9, D=2e10, C=1e20, n_column="N_total", d_kind="tokens"
    )
    assert "its N is the column N, here N_total" in total.told
    with pytest.raises(InputError, match=r"--rates = 'steplaw'.*did you mean steplaw2025_"):
        rates_of(("steplaw",), N=1e9, D=2e10, C=1e20, n_column="N", d_kind="tokens")


def test_a_budget_below_one_step_says_what_a_step_costs() -> None:
    source = Source("mine", of_fit(fitted()), smallest=(1e5, 512.0))
    source.must_afford(1e9)
    with pytest.raises(InputError, match=r"N = 1e\+05 with a batch of 512 costs 3.072e\+08"):
        source.must_afford(1e8)


def test_rows_are_the_same_in_every_format(tmp_path: Path) -> None:
    rows = [row_of(forecast(fitted(), compute=c), "mine") for c in (1e18, 1e20)]
    for suffix in (".csv", ".json", ".parquet"):
        write(rows, tmp_path / f"rows{suffix}")
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), pd.DataFrame(rows))
    with (tmp_path / "rows.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [float(row["N_opt_q95"]) for row in read] == [row["N_opt_q95"] for row in rows]
    with pytest.raises(InputError, match=r"unknown format '.xlsx'; valid: .csv, .json, .parquet"):
        write(rows, tmp_path / "rows.xlsx")


def test_a_recipe_by_ones_own_sweeps(tmp_path: Path) -> None:
    """A file of one law has no other: of a rate alone there are no steps."""
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e6, 1e8, 4), np.geomspace(1e7, 1e9, 4)))
    table = pd.DataFrame({"N": N, "D": D, "learning_rate": 2.0 * N**-0.5 * D**0.1})
    saved = tmp_path / "rates.json"
    saved.write_text(fit("lr_of_size_and_tokens", table, draws=0).to_json())
    (found,) = rates_of((str(saved),), N=1e9, D=1e8, C=6e17, n_column="N", d_kind="tokens")
    assert found.learning_rate == pytest.approx(2.0 * 1e9**-0.5 * 1e8**0.1, rel=1e-4)
    assert (found.batch, found.steps) == (None, None)
    assert found.told == ("N is 10x above its data",)
