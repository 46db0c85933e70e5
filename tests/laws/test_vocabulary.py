"""Tao's laws of vocabulary: the released predictions, and the released data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.fit import fit, huber
from scaling.laws import published


def test_rules_are_the_released_code_s() -> None:
    size = published["tao2024_size"].params
    assert float(laws.get("vocabulary_of_size").predict(N_nv=33e6, **size)) == 3145728
    seven = laws.get("vocabulary_of_size").predict(N_nv=7e9, **size)
    assert float(seven) == pytest.approx(3145728 * (7e9 / 33e6) ** 0.8353974035228025)
    compute = published["tao2024_compute"].params
    C = (7e9 / np.exp(-2.4846510161625193)) ** 2
    expected = np.exp(-1.589031299255507) * C**0.4163622634135234
    assert float(laws.get("vocabulary_of_compute").predict(C=C, **compute)) == pytest.approx(
        expected
    )


def test_loss_by_hand() -> None:
    p = published["tao2024"].params
    loss = float(laws.get("vocabulary").predict(N_nv=100.0, N_v=10.0, D=5.0, **p))
    terms = 1.83138516 / 100**0.44660634, 0.19584238 / 10**0.67073747, 2.12411231 / 5**0.44660634
    assert loss == pytest.approx(sum(terms) - 5.53278468, abs=1e-7)


def test_released_data_lead_below_the_published_objective(shared_data: Path) -> None:
    """Words in thousands inside f(V), as the released script has it; C from 2.18e17 FLOPs.

    At the published parameters the objective is .0622917456; Newton and SciPy end here, 14 digits
    alike.
    """
    runs = pd.read_csv(shared_data / "tao_vocab.csv").query("FLOPs >= 2.18e17")
    ln_v = np.log(runs["vocab_size"] / 1000)
    tokens_per_character = 0.00639222 * ln_v**2 - 0.15811069 * ln_v + 1.20470122
    table = pd.DataFrame(
        {
            "N_nv": runs["Non_vocab_parameters"] / 1e6,
            "N_v": runs["vocab_size"] * runs["embed_dim"] / 1e6,
            "D": runs["num_characters"] * tokens_per_character / 1e9,
            "loss": runs["Lossu"],
        }
    )
    found = fit("vocabulary", table, objective=huber(1e-3), on="loss", draws=0)
    assert found.value == pytest.approx(0.0622913524, abs=1e-10)
    assert found.params == pytest.approx(
        {
            "E": -5.53494260, "A1": 1.82887946, "A2": 0.19066848, "B": 2.12197321,
            "beta": 0.44531700, "alpha2": 0.66367136,
        },
        abs=1e-8,
    )  # fmt: skip
