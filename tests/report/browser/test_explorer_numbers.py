"""What a page computes of a predictor is what Python computes, to rounding."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries.laws import design, truth
from numpy.typing import NDArray

from scaling import laws
from scaling.cost import Cost, counted
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.fit.prediction import Draws
from scaling.forecast.averaged import Averaged
from scaling.forecast.carried import carried
from scaling.forecast.further.given import Given
from scaling.forecast.isoflop.model import isoflop
from scaling.forecast.isoflop.parabolas import parabolas
from scaling.forecast.published import published_law
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import Growth
from scaling.laws import Law
from scaling.laws.program import program_of
from scaling.report.explorer import NUMBERS
from scaling.report.pooled import pooled

Array = NDArray[np.float64]
CLOSE = 1e-9
BUDGETS = np.geomspace(1e15, 1e23, 3)
OF_N_AND_D = [name for name in laws.names() if {"N", "D"} <= set(laws.get(name).variables)]
COUNTED = counted([1e5, 1e6, 3e7, 1e9], [1e8] * 4, 1e8 * np.array([9e5, 7e6, 1.9e8, 6.2e9]))

_ASK = """([data, budgets, sizes]) => {
  const answers = predictors.predictorOf(data);
  const all = (told) => [told.point, ...told.draws, ...Object.values(predictors.interval(told))];
  return budgets.map((C) => {
    const { N, D, loss } = answers.optimum(C);
    const runs = sizes.flatMap((by) => [false, true].map((oneRun) =>
      all(answers.loss(by * N.point, answers.cost.tokens(C, by * N.point), oneRun))));
    return [all(N), all(D), all(loss), ...runs];
  });
}"""
_RUN = """([program, columns]) => columns.map((x) => lawPrograms.run(program, x))"""
SIZES = [0.1, 1.0, 3.0]


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    tab = browser.new_page()
    folder = resources.files("scaling.report") / "templates"
    for name in NUMBERS:
        tab.add_script_tag(content=(folder / name).read_text(encoding="utf-8"))
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def fitted() -> Fit:
    """A fit of Hoffmann's law with draws, to be given other laws and other parameters."""
    x = design()
    loss = laws.get("chinchilla").predict(**x, **truth(laws.get("chinchilla")))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, len(loss)))
    return fit("chinchilla", pd.DataFrame({**x, "loss": loss * noise}), draws=20)


def of_law(fitted: Fit, law: Law, draws: int = 12, cost: Cost | None = None) -> Any:
    """The law with draws around its usual parameters; further variables held."""
    params = truth(law)
    spread = np.random.default_rng(1).normal(0, 0.02, (draws, len(params)))
    made = replace(
        fitted, law=law, params=params, draws=np.array([*params.values()]) * np.exp(spread),
        fixed={}, cost=cost or Cost(),
    )  # fmt: skip
    more = {name: float(np.median(design(law)[name])) for name in law.variables
            if name not in ("N", "D")}  # fmt: skip
    return Given(made, more) if more else made


def budgets_of(law: Law, count: int, least: float = 1e15) -> Array:
    """Budgets at which the law has one N_opt: where data repeat hundreds of times its loss is flat
    to the last bit, and which N is best is a matter of rounding, in Python too."""
    return np.geomspace(least, 1e19 if "D_unique" in law.variables else 1e23, count)


def told(values: Draws) -> Array:
    return np.concatenate([[values.point], values.draws, [values.point, *values.interval()]])


def by_python(predictor: Any, budgets: Array) -> list[list[Array]]:
    found = []
    for C in budgets:
        best = predictor.optimum(C)
        sizes = [by * best.N.point for by in SIZES]
        runs = [
            told(predictor.loss(N, predictor.cost.tokens(C, N), noise=noise))
            for N in sizes for noise in (False, True)
        ]  # fmt: skip
        found.append([told(best.N), told(best.D), told(best.loss), *runs])
    return found


def worst(page: Any, predictor: Any, budgets: Array = BUDGETS) -> float:
    """The largest relative difference between the page's numbers and Python's."""
    theirs = page.evaluate(_ASK, [carried(predictor), budgets.tolist(), SIZES])
    return max(
        float(np.max(np.abs(np.array(a) / b - 1)))
        for page_row, row in zip(theirs, by_python(predictor, budgets), strict=True)
        for a, b in zip(page_row, row, strict=True)
    )


@pytest.mark.parametrize("name", OF_N_AND_D)
def test_every_law_s_loss_is_the_formula_s(page: Any, name: str) -> None:
    law = laws.get(name)
    x = design(law)
    params = truth(law)
    rows = [
        dict(zip(x, map(float, row), strict=True)) | params for row in zip(*x.values(), strict=True)
    ]
    found = np.array(page.evaluate(_RUN, [program_of(law).to_dict(), rows]))
    assert np.max(np.abs(found / law.predict(**x, **params) - 1)) < 1e-12


@pytest.mark.parametrize("name", OF_N_AND_D)
def test_every_law_s_optimum_is_python_s(page: Any, fitted: Fit, name: str) -> None:
    law = laws.get(name)
    assert worst(page, of_law(fitted, law, cost=COUNTED), budgets_of(law, 3)) < CLOSE


@pytest.mark.parametrize("name", [name for name in OF_N_AND_D if laws.get(name).optimum])
def test_closed_forms_are_python_s(page: Any, fitted: Fit, name: str) -> None:
    assert worst(page, of_law(fitted, laws.get(name), cost=Cost())) < CLOSE


@pytest.mark.slow
@pytest.mark.parametrize("cost", [Cost(), COUNTED], ids=["6ND", "counted"])
@pytest.mark.parametrize("name", OF_N_AND_D)
def test_many_budgets_and_draws(page: Any, fitted: Fit, name: str, cost: Cost) -> None:
    law = laws.get(name)
    assert worst(page, of_law(fitted, law, 200, cost), budgets_of(law, 28, 1e14)) < CLOSE


def test_a_pool_of_fits_widened_by_past_errors(page: Any, fitted: Fit) -> None:
    others = [of_law(fitted, laws.get(name), draws, COUNTED)
              for name, draws in (("chinchilla", 30), ("kaplan", 17), ("farseer", 9))]  # fmt: skip
    mixture = Averaged(others, [0.5, 0.3, 0.2])
    grown = Calibrated(mixture, Growth.prior(0.01), Growth.prior(0.05), seed=3)
    assert worst(page, grown) < CLOSE
    inner = Calibrated(others[0], Growth.prior(0.01), Growth.prior(0.05))
    assert worst(page, Averaged([inner, others[1]], [0.2, 0.8])) < CLOSE
    assert worst(page, pooled(others[:2], 0.004)) < CLOSE


def test_residuals_of_the_loss_itself_are_added(page: Any, fitted: Fit) -> None:
    assert worst(page, replace(fitted, on="loss")) < CLOSE


def test_published_parameters_have_no_draws(page: Any) -> None:
    assert worst(page, published_law("hoffmann2022")) < CLOSE
    assert worst(page, Given(published_law("muennighoff2023"), {"D_unique": 1e11})) < CLOSE


def test_what_a_law_says_of_its_cost_goes_along(page: Any, fitted: Fit) -> None:
    for name in ("fine_grained_moe", "moe_sparsity", "precision"):
        given = of_law(fitted, laws.get(name))
        assert given.cost.kind == "stated"
        assert worst(page, given) < CLOSE


def test_approach_2_is_carried_whole(page: Any) -> None:
    law, rows = laws.get("chinchilla"), []
    for C in np.geomspace(1e17, 1e20, 5):
        N = np.sqrt(C / 120) * np.geomspace(0.25, 4, 7)
        rows.append(pd.DataFrame({"N": N, "D": C / (6 * N)}))
    table = pd.concat(rows, ignore_index=True)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.002, len(table)))
    table["loss"] = law.predict(table["N"], table["D"], **truth(law)) * noise
    assert worst(page, parabolas(table, draws=25)) < CLOSE
    with pytest.raises(InputError, match="IsoFlop is no law, no average of laws"):
        carried(isoflop(table, draws=5))
