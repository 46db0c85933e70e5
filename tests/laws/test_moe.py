"""Laws of mixtures of experts, by hand and on the released curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.fit import fit, squared
from scaling.laws import published


def predict(name: str, **variables: float) -> float:
    item = published[name]
    return float(laws.get(item.law).predict(**variables, **item.params))


def test_experts_saturate_at_both_ends() -> None:
    p = published["clark2022_sbase"].params
    law = laws.get("routed")
    # one expert counts as K_start, endlessly many as K_max
    for K, effective in ((1.0, p["K_start"]), (1e15, p["K_max"])):
        n, k = 9.0, np.log10(effective)
        expected = 10 ** (p["a"] * n + p["b"] * k + p["c"] * n * k + p["d"])
        assert float(law.predict(N=1e9, K=K, **p)) == pytest.approx(expected, rel=1e-9)


def test_routing_stops_helping_where_the_paper_says() -> None:
    """Table 3's N_cutoff is 10^(-b/c): 937B, 85B and 83B parameters; its digits are rounded."""
    for name, cutoff in (("sbase", 937e9), ("rlr", 85e9), ("hash", 83e9)):
        p = published[f"clark2022_{name}"].params
        assert np.log10(cutoff) == pytest.approx(-p["b"] / p["c"], rel=0.06)


def test_by_hand() -> None:
    krajewski = 0.47 + (2.1 / 8**0.58 + 18.1) / 1e9**0.115 + 30.8 / 2e10**0.147
    assert predict("krajewski2024", N=1e9, D=2e10, G=8.0) == pytest.approx(krajewski, rel=1e-12)
    dense = 16612.5 / 1e9**0.5962 + 5455.67 / 2e10**0.3954 + 0.4598 + 17.26 / 1e9**0.1595 + 0.94
    assert predict("abnar2025", N=1e9, D=2e10, S=0.0) == pytest.approx(dense, rel=1e-12)
    assert predict("abnar2025", N=1e9, D=2e10, S=0.9) > dense  # fewer of them are active


def test_joint_law_is_hoffmanns_at_one_effective_expert() -> None:
    p = {"a": 40.0, "b": 90.0, "c": 1.4, "alpha": -0.2, "beta": -0.25, "gamma": 0.01}
    p |= {"delta": -0.2, "omega": 0.3, "zeta": -0.02, "K_start": 1.0, "K_max": 290.0}
    found = laws.get("joint_moe").predict(N=1e8, D=1e10, K=1.0, **p)
    assert float(found) == pytest.approx(1.4 + 40 * 1e8**-0.2 + 90 * 1e10**-0.25, rel=1e-12)


@pytest.mark.parametrize(
    ("router", "name", "rows", "digits"),
    [
        ("RL-R", "rlr", 62, (-0.0832, -0.1255, 0.0115, 1.1111)),
        ("S-Base", "sbase", 61, (-0.0825, -0.1119, 0.0095, 1.1067)),
    ],
)
def test_released_curves(
    shared_data: Path, router: str, name: str, rows: int, digits: dict[str, float]
) -> None:
    """One expert a token, routed every other layer, and dense runs; saturation as published."""
    runs = pd.read_csv(shared_data / "clark_routing_final.csv")
    runs = runs[(runs["k"] == 1) & (runs["routing_frequency"] == 0.5)]
    runs = runs[runs["router_type"].isin([router, "Dense"])]
    assert len(runs) == rows
    table = pd.DataFrame(
        {
            "N": runs["dense_parameter_count"],
            "K": runs["num_experts"],
            "loss": runs["loss_validation"],
        }
    )
    ends = {end: published[f"clark2022_{name}"].params[end] for end in ("K_start", "K_max")}
    found = fit("routed", table, objective=squared(), draws=0, fixed=ends)
    assert [found.params[p] for p in "abcd"] == pytest.approx(digits, abs=5.1e-5)
