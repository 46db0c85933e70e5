"""The decoupled isoFLOP model: known truth back, wider with distance, no later row seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.errors import InputError
from scaling.forecast import Predictor, forecast
from scaling.forecast.isoflop import isoflop

LAW = laws.get("chinchilla")
TRUTH = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}


def table(noise: float = 0.002, budgets: int = 6, seed: int = 0) -> pd.DataFrame:
    """Budgets from 1e18 FLOPs, a factor 3 apart, of nine sizes each."""
    rows = []
    for C in 1e18 * 3.0 ** np.arange(budgets):
        best = float(LAW.optimum(C, TRUTH))
        rows += [(n, C / 6 / n, C) for n in best * np.geomspace(0.3, 4, 9)]
    df = pd.DataFrame(rows, columns=["N", "D", "C"])
    error = noise * np.random.default_rng(seed).normal(size=len(df))
    return df.assign(loss=LAW.predict(N=df["N"], D=df["D"], **TRUTH) * np.exp(error))


def test_it_forecasts_a_known_law_within_its_intervals() -> None:
    found = isoflop(table())
    assert isinstance(found, Predictor)
    C = np.array([1e18, 1e19, 1e20, 1e21, 2e22])
    best = found.optimum(C)
    n_true = np.asarray(LAW.optimum(C, TRUTH))
    loss_true = LAW.predict(N=n_true, D=C / 6 / n_true, **TRUTH)
    for got, true in ((best.N, n_true), (best.loss, loss_true)):
        low, high = got.interval(0.98)
        assert (low < true).all()
        assert (true < high).all()
    assert best.loss.point == pytest.approx(loss_true, rel=0.02)
    np.testing.assert_allclose(best.D.point, C / 6 / best.N.point)


def test_intervals_grow_with_distance() -> None:
    best = isoflop(table()).optimum(np.geomspace(2.5e20, 2.5e23, 8))
    for value in (best.N, best.loss):
        low, high = np.log(value.interval())
        assert (np.diff(high - low) > 0).all()


def test_a_forecast_of_it_prints() -> None:
    assert "optimum" in str(forecast(isoflop(table(), draws=50), compute=1e21))


def test_too_few_budgets_are_refused_with_their_number() -> None:
    with pytest.raises(InputError, match=r"at least 3 distinct budgets .* there are 2"):
        isoflop(table(budgets=2))
    with pytest.raises(InputError, match="draws = -1"):
        isoflop(table(), draws=-1)
