"""Approaches 1 and 2: known truth back, published exponents, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit.approaches import approach_1, approach_2, side_by_side
from scaling.table import read_table

LAW = laws.get("chinchilla")
TRUTH = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}
a_true, b_true = 0.28 / 0.62, 0.34 / 0.62


def isoflop(noise: float = 0.0) -> pd.DataFrame:
    """Six budgets, nine sizes each, centred on the optimum."""
    rows = []
    for C in np.geomspace(1e18, 1e21, 6):
        best = float(LAW.optimum(C, TRUTH))
        rows += [(n, C / 6 / n, C) for n in best * np.geomspace(0.4, 2.5, 9)]
    df = pd.DataFrame(rows, columns=["N", "D", "C"])
    error = noise * np.random.default_rng(0).normal(size=len(df))
    return df.assign(loss=LAW.predict(N=df["N"], D=df["D"], **TRUTH) * np.exp(error))


def curves() -> pd.DataFrame:
    """Many sizes, each at many token counts: what an envelope needs."""
    N, D = np.meshgrid(np.geomspace(1e7, 1e10, 40), np.geomspace(1e8, 1e12, 60))
    df = pd.DataFrame({"N": N.ravel(), "D": D.ravel()})
    return df.assign(loss=LAW.predict(N=df["N"], D=df["D"], **TRUTH))


def test_approach_2_finds_the_exponents_of_a_known_law() -> None:
    found = approach_2(isoflop(), draws=0)
    assert float(found.a.point) == pytest.approx(a_true, abs=0.002)
    assert float(found.b.point) == pytest.approx(b_true, abs=0.002)
    assert pytest.approx(np.geomspace(1e18, 1e21, 6)) == found.C
    best = [float(LAW.optimum(C, TRUTH)) for C in found.C]
    assert found.N_opt == pytest.approx(best, rel=0.05)
    assert found.D_opt == pytest.approx(found.C / 6 / found.N_opt, rel=1e-6)


def test_approach_2_interval_holds_the_truth_and_is_reproducible() -> None:
    one, two = (approach_2(isoflop(0.002), draws=300, seed=1) for _ in range(2))
    low, high = one.a.interval()
    assert low < a_true < high
    assert high - low < 0.1
    np.testing.assert_array_equal(one.a.draws, two.a.draws)


def test_approach_1_finds_the_exponents_of_a_known_law() -> None:
    found = approach_1(curves(), draws=20)
    assert float(found.a.point) == pytest.approx(a_true, abs=0.03)
    assert float(found.b.point) == pytest.approx(b_true, abs=0.03)
    assert found.c_kind == "6ND"


def test_llama_3_isoflops(shared_data: Path) -> None:
    """Approach 2 on the digitised Llama-3 points: a .46322, b .53678; without outliers a .500."""
    table = read_table(shared_data / "isoflops_openathena.csv")
    table = table[table["experiment"] == "llama_3__raw_loss"]
    everything = approach_2(table, draws=0)
    assert float(everything.a.point) == pytest.approx(0.46322, abs=5e-6)
    assert float(everything.b.point) == pytest.approx(0.53678, abs=5e-6)
    filtered = approach_2(table, where="outlier == False", draws=0)
    assert float(filtered.a.point) == pytest.approx(0.500, abs=5e-4)


def test_a_budget_without_a_minimum_is_left_out_and_named() -> None:
    df = isoflop()
    lowest = df["C"].min()
    sized = df.groupby("C")["N"].transform("median")
    found = approach_2(df[(df["C"] > lowest) | (df["N"] > 1.05 * sized)], draws=0)
    assert len(found.C) == 5
    assert any("budget C = 1e+18 has no minimum" in note for note in found.notes)


def test_tables_that_do_not_allow_it_are_refused_in_words() -> None:
    grid = battery.table(laws.get("chinchilla"), battery.truth(laws.get("chinchilla")))
    one_size = grid[grid["N"] == grid["N"].min()]
    done, refused = side_by_side(one_size, draws=0)
    assert done == []
    assert "Approach 1 needs at least 3 curves" in refused[0]
    assert "Approach 2 needs at least 3 isoFLOP budgets" in refused[1]
    with pytest.raises(InputError, match="curves that overlap"):
        approach_1(grid.assign(D=grid["D"] * grid["N"] ** 8), draws=0)


def test_trunks_are_curves_and_draws_take_them_whole() -> None:
    df = curves()
    df = df.assign(trunk=df["N"].astype(str), run=df.index.astype(str))
    found = approach_1(df, draws=50)
    assert found.notes[0].startswith("40 curves")
    assert float(np.ptp(found.a.draws)) > 0
