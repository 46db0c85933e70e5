"""Laws of further variables, held: against their own limits, closed forms and published answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.forecast import Predictor, flat_region, forecast, published_law
from scaling.forecast.further.best import choose
from scaling.forecast.further.given import Given
from scaling.forecast.further.overfitting import Repetition
from scaling.forecast.further.quantized import damage

# Krajewski et al. 2024, table 2: experts' base size (12 d^2 n), D, G, FLOPs, loss.
KRAJEWSKI = [
    (100e6, 4.37e9, 8, 2.95e18, 3.133),
    (1e9, 28.94e9, 16, 1.93e20, 2.491),
    (3e9, 72.90e9, 16, 1.41e21, 2.245),
    (7e9, 137.60e9, 32, 6.46e21, 2.076),
    (70e9, 941.07e9, 32, 4.16e23, 1.694),
    (300e9, 2.96e12, 64, 5.69e24, 1.503),
    (1e12, 7.94e12, 64, 4.97e25, 1.367),
]


@pytest.fixture(scope="module")
def fitted() -> Fit:
    law = laws.get("overfit")
    truth = battery.truth(law)
    held = {name: truth[name] for name in ("delta", "kappa", "lam")}
    return fit(law, battery.table(law, truth, noise=0.01), draws=30, fixed=held)


def test_a_law_with_what_it_needs_is_a_predictor(fitted: Fit) -> None:
    given = Given(fitted, {"D_unique": 1e8})
    assert isinstance(given, Predictor)
    C = np.array([1e16, 1e17, 1e18])
    best = given.optimum(C)
    assert best.N.draws.shape == (30, 3)
    np.testing.assert_allclose(6 * best.N.draws * best.D.draws, np.broadcast_to(C, (30, 3)))
    for factor in (0.9, 1.1):
        near = fitted.law.predict(
            N=best.N.draws * factor,
            D=best.D.draws / factor,
            D_unique=1e8,
            **{name: values[:, None] for name, values in fitted.params_draws().items()},
        )
        assert (near > best.loss.draws).all()
    found = forecast(given, compute=1e17)
    assert found.n_opt.q05 < found.N < found.n_opt.q95
    low, high = flat_region(given, 1e17)
    assert low < found.N < high


def test_best_size_and_epochs_are_those_that_repetition_finds(fitted: Fit) -> None:
    asked = Repetition(fitted).budget(1e17, 1e8)
    best = Given(fitted, {"D_unique": 1e8}).optimum(1e17)
    assert asked.N.point == pytest.approx(float(best.N.point), rel=0.05)  # that is a grid of 4 %
    assert asked.loss.point == pytest.approx(float(best.loss.point), rel=1e-5)


@pytest.mark.parametrize("C", [1e19, 1e22, 1e25])
def test_without_a_limit_of_data_it_is_hoffmanns_law(C: float) -> None:
    limited = Given(published_law("muennighoff2023"), {"D_unique": 1e40}).optimum(C)
    plain = published_law("muennighoff2023_tied").optimum(C)
    assert float(limited.N.point) == pytest.approx(float(plain.N.point), rel=1e-10)
    assert float(limited.loss.point) == pytest.approx(float(plain.loss.point), rel=1e-14)


def test_muennighoffs_worked_example() -> None:
    """Figure 1: at 9.3e21 FLOPs and 25B unique tokens, 242B tokens, which are 9.7 epochs, of the
    fit behind the figure. The paper trains 6.34B parameters: the nearest shape to the law's."""
    found = forecast(
        Given(published_law("muennighoff2023_untied"), {"D_unique": 25e9}), compute=9.3e21
    )
    assert f"{found.D / 1e9:.0f}" == "242"
    assert f"{found.D / 25e9:.1f}" == "9.7"
    assert pytest.approx(6.34e9, rel=0.011) == found.N
    in_text = forecast(Given(published_law("muennighoff2023"), {"D_unique": 25e9}), compute=9.3e21)
    assert pytest.approx(9.1, abs=0.05) == in_text.D / 25e9  # the tied fit says fewer


@pytest.mark.parametrize(("size", "D", "G", "flops", "loss"), KRAJEWSKI)
def test_krajewskis_table_of_best_granularities(
    size: float, D: float, G: int, flops: float, loss: float
) -> None:
    """The granularity, a power of 2, to the digit; the rest to what coefficients of two or three
    digits allow."""
    base = published_law("krajewski2024")
    made = {g: Given(base, {"G": g}).optimum(flops) for g in (G / 2, G, 2 * G)}
    assert min(made, key=lambda g: float(made[g].loss.point)) == G
    best = made[G]
    assert float(best.D.point) == pytest.approx(D, rel=0.03)
    assert float(best.loss.point) == pytest.approx(loss, rel=0.01)
    assert float(best.N.point) * 12 / (8 * 64 + 4) == pytest.approx(size, rel=0.03)


def test_the_cost_of_routing_is_the_papers() -> None:
    cost = Given(published_law("krajewski2024"), {"G": 16}).cost
    blocks = np.array([8.0, 20.3, 90.0])
    d = 64 * blocks
    N = d**2 * (8 * 64 + 4) * blocks
    want = (12 * d**2 * 6 + d * 64 * 16 * 14) * blocks
    np.testing.assert_allclose(cost.flops_per_token(N), want, rtol=1e-6)


def test_bits_are_best_where_what_they_keep_falls_as_fast_as_their_price() -> None:
    """With one exponent the least loss depends on kept(P)/P alone: that ends in 7 bits, whatever
    the compute (Kumar et al. 2024, finding 3: 7 to 8)."""
    base = published_law("kumar2024_precision")
    p = base.params
    bits = np.linspace(5, 9, 400_001)
    kept = np.prod(
        [-np.expm1(p[f"n_{x}"] - bits / p[f"gamma_{x}"]) for x in ("w", "a", "kv")], axis=0
    )
    want = bits[np.argmax(kept / bits)]
    found = choose(base, "P", 1e20)
    assert found.value.point == pytest.approx(want, abs=1e-4)
    assert not found.at_end
    assert found.given.held["P_w"] == found.given.held["P_kv"] == found.value.point
    losses = [float(Given(base, {"P": P}).optimum(1e24).loss.point) for P in (6.9, want, 7.1)]
    assert losses[1] == min(losses)
    few = Given(base, {"P": 8}).cost.flops_per_token(1e9)
    assert float(few) == pytest.approx(6e9 * 8 / 16)


def test_quantization_turns_where_its_closed_form_does() -> None:
    """beta B / D^beta = gamma_D C_T D^gamma_D / N^gamma_N exp(-P/gamma_post)."""
    base, N, bits = published_law("kumar2024_quantized"), 1e9, 3.5
    p = base.params
    scale = p["beta"] * p["B"] * N ** p["gamma_N"] * np.exp(bits / p["gamma_post"])
    turn = (scale / (p["gamma_D"] * p["C_T"])) ** (1 / (p["gamma_D"] + p["beta"]))
    given = Given(base, {"P_post": bits})
    found = damage(given, N, 1e11)
    assert found.turns == pytest.approx(turn, rel=1e-9)
    worse = p["C_T"] * 1e11 ** p["gamma_D"] / N ** p["gamma_N"] * np.exp(-bits / p["gamma_post"])
    assert found.added.point == pytest.approx(worse, rel=1e-9)
    plain, after = (Given(base, {"P_post": b}).optimum(1e23) for b in (16, bits))
    assert float(after.N.point) > float(plain.N.point)  # fewer tokens: they do less harm
    assert float(plain.loss.point) < float(after.loss.point)


def test_a_best_value_at_the_end_of_its_range_says_so() -> None:
    found = choose(published_law("abnar2025"), "S", 1e21, within=(0.0, 0.9))
    assert (found.value.point, found.at_end) == (pytest.approx(0.9), True)
    assert "still falls at this end" in str(found)
    dense = Given(published_law("abnar2025"), {"S": 0.0}).optimum(1e21)
    assert found.loss.point < float(dense.loss.point)
    assert float(dense.N.point * dense.D.point) * 6 == pytest.approx(1e21)


def test_each_draw_has_a_best_value_of_its_own() -> None:
    law = laws.get("fine_grained_moe")
    truth = dict(laws.published["krajewski2024"].params)
    held = {name: truth[name] for name in ("c", "a", "alpha", "beta", "gamma")}
    table = battery.table(law, truth, noise=0.01)
    fitted = fit(law, table, draws=20, fixed=held)
    found = choose(fitted, "G", 1e21, within=(1, 256))
    assert not found.at_end
    assert found.value.q05 < found.value.point < found.value.q95


def test_what_lies_outside_the_ranges_is_said(fitted: Fit) -> None:
    given = Given(published_law("muennighoff2023"), {"D_unique": 1.78e12})
    assert given.reach() == ["D_unique = 1.78e+12 is 10 times the largest behind muennighoff2023"]
    assert Given(published_law("abnar2025"), {"S": 0.5}).reach(N=1e9) == [
        "the range of N, S behind abnar2025 is not known"
    ]
    most = fitted.points["D_unique"].max()
    assert "2 times the largest fitted" in Given(fitted, {"D_unique": 2 * most}).reach()[0]
    assert Given(fitted, {"D_unique": most}).reach() == []


@pytest.mark.parametrize(
    ("name", "held", "message"),
    [
        (
            "muennighoff2023",
            {},
            r"needs D_unique \(distinct training tokens\): give --with",
        ),
        ("hoffmann2022", {"S": 0.5}, "chinchilla has no S: .* laws with S: moe_sparsity"),
        ("abnar2025", {"S": 1.0}, "S = 1: must be at least 0 and below 1"),
        ("abnar2025", {"S": 0.5, "G": 2}, "has no G: .* laws with G: fine_grained_moe"),
        ("muennighoff2023", {"D_unique": -1.0}, "D_unique = -1: must be a finite number above 0"),
        ("kumar2024_precision", {"P": 2.0}, "P_a = 2: law precision has no loss there"),
        ("kumar2024_precision", {"P_w": 8.0}, "needs P_a .* and --with P_kv=VALUE"),
    ],
)
def test_bad_values_are_one_error(name: str, held: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Given(published_law(name), held)


@pytest.mark.parametrize(
    ("name", "asked", "within", "message"),
    [
        ("muennighoff2023", "D_unique", None, "more is never worse"),
        ("abnar2025", "G", None, "has no G"),
        ("abnar2025", "S", (0.9, 0.1), "the lower end first"),
        ("abnar2025", "S", (0.9, 1.0), "below 1"),
    ],
)
def test_a_choice_that_cannot_be_made(
    name: str, asked: str, within: tuple[float, float] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose(published_law(name), asked, 1e20, within=within)


def test_a_cost_that_is_stated_is_not_called_counted() -> None:
    cost = Given(published_law("abnar2025"), {"S": 0.75}).cost
    assert cost.kind == "stated"
    assert Cost.from_dict(cost.to_dict()) == cost
    assert Given(published_law("muennighoff2023"), {"D_unique": 1e10}).cost == Cost()
