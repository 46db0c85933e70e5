"""Laws of learning-rate schedules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.errors import InputError
from scaling.fit import fit, huber
from scaling.laws.schedules import MULTI_POWER, annealing, multi_power


def test_areas_by_the_double_sum() -> None:
    lr = np.array([3.0, 3.0, 2.0, 1.5, 1.5])
    S1, S2 = annealing(lr, decay=0.9)
    np.testing.assert_allclose(S1, np.cumsum(lr))
    double = [
        sum((lr[k - 1] - lr[k]) * 0.9 ** (i - k) for i in range(s + 1) for k in range(1, i + 1))
        for s in range(len(lr))
    ]
    np.testing.assert_allclose(S2, double, atol=1e-15)


def test_a_constant_rate_never_anneals() -> None:
    assert not annealing(np.full(50, 2e-3))[1].any()


def test_curves_of_two_schedules_give_the_law_back() -> None:
    steps = np.arange(4000)
    cosine = 3e-4 * (0.55 + 0.45 * np.cos(np.pi * steps / 4000))
    wsd = 3e-4 * np.minimum(1, (4000 - steps) / 800)
    truth = {"L0": 2.6, "A": 0.6, "C": 0.3, "alpha": 0.5}
    parts = []
    for lr in (cosine, wsd):
        S1, S2 = annealing(lr)
        parts.append(pd.DataFrame({"S1": S1, "S2": S2})[100::60])
    table = pd.concat(parts, ignore_index=True)
    law = laws.get("annealing")
    table["loss"] = law.predict(S1=table["S1"], S2=table["S2"], **truth)
    assert fit(law, table, draws=0).params == pytest.approx(truth, rel=1e-8)


def test_multi_power_by_its_sum() -> None:
    lr = np.array([4.0, 4.0, 3.0, 2.0])
    p = {"L0": 2.0, "A": 0.5, "alpha": 0.4, "B": 0.3, "C": 1.5, "beta": 0.6, "gamma": 0.5}
    drop = -(1 - (1 + 1.5 * 3**-0.5 * (3 + 2)) ** -0.6) - (1 - (1 + 1.5 * 2**-0.5 * 2) ** -0.6)
    expected = 2.0 + 0.5 * 13**-0.4 + 0.3 * drop
    assert multi_power(lr, [3], **p)[0] == pytest.approx(expected, rel=1e-13)
    assert multi_power(lr, [1], **p)[0] == pytest.approx(2 + 0.5 * 8**-0.4)


@pytest.mark.parametrize(("size", "value"), [(25, 2.9122e-4), (100, 2.8096e-4), (400, 5.7699e-4)])
def test_published_multi_power_on_its_training_curves(
    shared_data: Path, size: int, value: float
) -> None:
    """Huber of log loss with delta 1e-3, summed over three curves; warmup of 2,160 steps."""
    curves = pd.read_csv(shared_data / "multipowerlaw_curves.csv").query(f"N_millions == {size}")
    warmup, peak = np.linspace(0, 3e-4, 2160), 3e-4
    turn = 0.5 * (1 + np.cos(np.pi * np.arange(24000 - 2160) / (24000 - 2160)))
    rates = {
        "cosine_24000": 3e-5 + (peak - 3e-5) * turn,
        "constant_24000": np.full(24000 - 2160, peak),
        "wsdcon_9": np.repeat([peak, 9e-5], [8000 - 2160, 8000]),
    }
    total = 0.0
    for name, rate in rates.items():
        seen = curves[curves["schedule"] == name]
        lr = np.concatenate([warmup, rate])
        steps = seen["step"].to_numpy()
        np.testing.assert_allclose(lr[steps], seen["lr"], rtol=1e-12)
        residual = np.log(multi_power(lr, steps, **MULTI_POWER[size])) - np.log(seen["loss"])
        total += float(huber()(residual.to_numpy()).value.sum())
    assert total == pytest.approx(value, abs=5e-9)


def test_bad_schedules() -> None:
    p = MULTI_POWER[25]
    with pytest.raises(InputError, match="at least 0"):
        annealing([1e-3, -1e-3])
    with pytest.raises(InputError, match="0 to 1"):
        multi_power([1e-3, 1e-3], [2], **p)
    with pytest.raises(InputError, match="whole numbers"):
        multi_power([1e-3, 1e-3], [0.5], **p)
