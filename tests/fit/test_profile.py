"""Profiles: held exactly, minimal, of the right size, and honest about open ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit import Fit, Objective, fit, fit_groups, squared
from scaling.fit.profile import Profile, profile
from scaling.laws.law import Law, log, positive
from scaling.table import read_table

LAW = laws.get("chinchilla")
TRUTH = battery.truth(LAW)
A_TRUE = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])


def noisy(seed: int = 0, noise: float = 0.01) -> pd.DataFrame:
    return battery.table(LAW, TRUTH, noise, seed)


@pytest.fixture(scope="module")
def found() -> Fit:
    return fit(LAW, noisy(), draws=200)


@pytest.mark.parametrize("name", ["E", "A", "alpha"])
def test_a_profile_of_a_parameter_is_the_fit_with_it_fixed(found: Fit, name: str) -> None:
    seen = profile(found, name, points=5)
    for value, objective in zip(seen.values, seen.objective, strict=True):
        held = fit(LAW, noisy(), draws=0, fixed={name: float(value)})
        assert objective == pytest.approx(held.value, rel=1e-9)


def test_a_line_has_the_interval_of_the_text_book() -> None:
    """L = A x + E by least squares: the profile is an exact parabola, k the residual variance."""
    line = Law(
        "line",
        "A N + E",
        lambda N, *, A, E: A * N + E,
        {"A": positive(), "E": positive()},
        ("N",),
        ("A", "E"),
    )
    x = np.linspace(1.0, 10.0, 40)
    y = 3 * x + 20 + np.random.default_rng(0).normal(size=40)
    straight = fit(line, pd.DataFrame({"N": x, "loss": y}), objective=squared(), on="loss", draws=0)
    seen = profile(straight, "A")
    assert seen.calibration == "sandwich"
    design = np.stack([x, np.ones(40)], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    meat = design.T @ (design * residual[:, None] ** 2) * (40 / 39) * (39 / 38)
    error = np.sqrt((inverse @ meat @ inverse)[0, 0])
    assert seen.low == pytest.approx(seen.estimate - 1.6448536 * error, rel=1e-6)
    assert seen.high == pytest.approx(seen.estimate + 1.6448536 * error, rel=1e-6)
    rise = 0.5 * (seen.values - seen.estimate) ** 2 / inverse[0, 0]
    np.testing.assert_allclose(seen.objective - seen.minimum, rise, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "at"),
    [("a", {}), ("b", {}), ("N_opt", {"C": 1e21}), ("D_opt", {"C": 1e21}),
     ("loss", {"N": 1e10, "D": 1e11})],
)  # fmt: skip
def test_derived_quantities_profile_like_the_draws(found: Fit, name: str, at: dict) -> None:
    seen = profile(found, name, at)
    assert seen.status == "converged"
    assert seen.ends == ("crossed", "crossed")
    assert seen.low < seen.estimate < seen.high
    assert seen.minimum == pytest.approx(found.value, rel=1e-12)
    draws = {
        "a": lambda: found.exponents()["a"],
        "b": lambda: found.exponents()["b"],
        "N_opt": lambda: found.optimum(1e21).N,
        "D_opt": lambda: found.optimum(1e21).D,
        "loss": lambda: found.loss(1e10, 1e11),
    }[name]()
    low, high = draws.interval()
    assert np.log(seen.high / seen.low) == pytest.approx(np.log(float(high / low)), rel=0.25)


def test_a_numeric_optimum_profiles_like_the_closed_form(found: Fit) -> None:
    """Without the closed form the constraint is the optimum's own condition."""
    from dataclasses import replace

    plain = replace(found, law=replace(LAW, optimum=None))
    one = profile(found, "N_opt", {"C": 1e21}, points=5)
    two = profile(plain, "N_opt", {"C": 1e21}, points=5)
    assert two.low == pytest.approx(one.low, rel=1e-6)
    assert two.high == pytest.approx(one.high, rel=1e-6)


def test_the_two_calibrations_agree_where_both_are_good() -> None:
    smooth = fit(LAW, noisy(3), draws=400, objective=squared())
    one, two = (profile(smooth, "a", calibration=c) for c in ("bootstrap", "sandwich"))
    assert one.high - one.low == pytest.approx(two.high - two.low, rel=0.2)


def test_a_90_percent_interval_holds_the_truth_nine_times_in_ten() -> None:
    inside = []
    for seed in range(60):
        one = fit(LAW, noisy(seed), draws=0, objective=squared())
        seen = profile(one, "a", points=3)
        inside.append(seen.low <= A_TRUE <= seen.high)
    assert 0.78 <= np.mean(inside) <= 0.99  # 60 trials know it to about +-.08


def test_clusters_widen_a_profile() -> None:
    table = battery.table(LAW, TRUTH)
    size = np.unique(table["N"], return_inverse=True)[1]
    table["loss"] *= np.exp(0.01 * np.random.default_rng(0).normal(size=7)[size])
    width = []
    for df in (table, table.assign(trunk=size.astype(str))):
        seen = profile(fit(LAW, df, draws=0, objective=squared()), "alpha")
        width.append(seen.high - seen.low)
    assert width[1] > 1.3 * width[0]


def test_e_stops_at_its_bound() -> None:
    short = noisy(noise=0.03).query("N < 1e7 and D < 1e8")
    seen = profile(fit(LAW, short, draws=0), "E")
    assert seen.ends[0] == "bound"
    assert seen.low == 0.0
    assert "lower end is where the law stops" in seen.words()


def test_muennighoff_rd_is_flat_and_open_above(shared_data: Path) -> None:
    """CERTIFIED row 5: the objective is within .2 % of its best for all R_D* from 17 to 280, and a
    bootstrap's interval has no upper end."""

    def predict(N: Any, D: Any, D_unique: Any, *, E: Any, RD: Any, RN: Any) -> Any:
        unique_n = np.minimum((520.8 / 1487.6) ** (1 / 0.35266) * D_unique, N)
        seen = [
            u * (1 - R * np.expm1(-(x / u - 1) / R))
            for x, u, R in ((N, unique_n, RN), (D, D_unique, RD))
        ]
        return E + 520.8 / seen[0] ** 0.35266 + 1487.6 / seen[1] ** 0.35266

    grid = tuple(np.geomspace(0.2, 1000, 24).tolist())
    law = Law(
        "data_constrained",
        "Muennighoff et al. 2023, RD and RN free",
        predict,
        {"E": positive(), "RD": log(grid), "RN": log(grid)},
        ("N", "D", "D_unique"),
        ("E",),
    )
    table = read_table(shared_data / "muennighoff_dataconstrained.csv")
    found = fit(law, table, draws=150, fixed={"E": 1.869})
    seen = profile(found, "RD", points=101)
    assert seen.status == "converged"
    flat = seen.values[seen.objective <= 1.002 * seen.minimum]
    assert flat.min() < 18
    assert flat.max() > 260
    assert seen.ends == ("crossed", "open")
    assert "unbounded above" in str(seen)
    assert 4 < seen.low < 17


def test_chinchilla_profiles(shared_data: Path) -> None:
    """A is known to a factor of two, the exponent a to .03."""
    table = read_table(shared_data / "chinchilla_epoch.csv")
    found = fit(LAW, table, where="used == 1", draws=500)
    amplitude, a = profile(found, "A"), profile(found, "a")
    assert amplitude.high / amplitude.low > 2
    assert 0.02 < (a.high - a.low) / 2 < 0.045
    assert amplitude.low < 482.01 < amplitude.high  # Besiroglu et al. 2024, table 1


def test_it_is_a_value(found: Fit) -> None:
    before = found.to_json()
    seen = profile(found, "N_opt", {"C": 1e21})
    assert found.to_json() == before
    assert Profile.from_dict(json.loads(json.dumps(seen.to_dict(), allow_nan=False))) == seen
    assert profile(Fit.from_json(before), "N_opt", {"C": 1e21}) == seen
    assert seen.label == "N_opt@1e+21"
    draws = seen.draws(4000).draws
    inside = np.mean((draws >= seen.low) & (draws <= seen.high))
    assert inside == pytest.approx(0.9, abs=0.03)
    with pytest.raises(InputError, match="not a profile"):
        Profile.from_dict({"low": None})


def test_weights_bounds_and_fixed_values_hold_in_a_profile() -> None:
    table = noisy().assign(w=np.random.default_rng(0).uniform(0.5, 2, 42))
    found = fit(LAW, table, draws=0, weight="w", fixed={"E": 1.6}, bounds={"alpha": (0.2, 0.3)})
    seen = profile(found, "beta")
    assert seen.minimum == pytest.approx(found.value, rel=1e-9)
    assert profile(found, "alpha").high <= 0.3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gamma", {}, "no quantity gamma; it has E, A, B, alpha, beta, loss, a, b, N_opt, D_opt"),
        ("N_opt", {}, "N_opt needs C; given: nothing"),
        ("alpha", {"at": {"C": 1e20}}, "alpha takes no point; given: C"),
        ("N_opt", {"at": {"C": -1.0}}, "must be a finite number above 0"),
        ("loss", {"at": {"N": 1e9}}, "loss needs D, N; given: N"),
        ("alpha", {"level": 1.0}, "level = 1.0"),
        ("alpha", {"points": 2}, "points = 2"),
        ("alpha", {"calibration": "guess"}, "valid: bootstrap, sandwich"),
    ],
)
def test_bad_questions(found: Fit, name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile(found, name, **options)


def test_what_has_no_profile_says_why(found: Fit) -> None:
    kinked = fit(LAW, noisy(), draws=0, objective=Objective("absolute"))
    with pytest.raises(InputError, match="a profile needs a smooth one"):
        profile(kinked, "alpha")
    with pytest.raises(InputError, match="E is fixed at"):
        profile(fit(LAW, noisy(), draws=0, fixed={"E": 1.6}), "E")
    with pytest.raises(InputError, match="0 draws; a calibration by bootstrap needs"):
        profile(fit(LAW, noisy(), draws=0), "alpha", calibration="bootstrap")
    two = pd.concat([noisy(0).assign(set="x"), noisy(1, 0.02).assign(set="y")], ignore_index=True)
    groups = fit_groups(LAW, two, "set", ["alpha", "beta"], draws=0)
    with pytest.raises(InputError, match="one group's part"):
        profile(groups["x"], "alpha")
    line = fit("kaplan_d", noisy(), draws=0)
    with pytest.raises(InputError, match="no quantity a"):
        profile(line, "a")
