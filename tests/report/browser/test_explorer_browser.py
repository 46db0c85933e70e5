"""The budget is moved in a real browser: by keyboard, by amounts, and as the command line says."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries.browser import PHONE, settled
from batteries.laws import design, truth
from typer.testing import CliRunner

from scaling import laws
from scaling.amounts import figure
from scaling.cli import app
from scaling.devices import device
from scaling.fit import Fit, fit
from scaling.forecast import published_law
from scaling.forecast.isoflop.model import isoflop
from scaling.forecast.spending import Hardware, Utilisation
from scaling.report.explorer_page import page

MARKUP = "<script>alert(1)</script>"
_NUMBERS = """([C, by]) => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const law = predictors.predictorOf(data.laws[0].predictor);
  const best = law.optimum(C);
  const N = by * best.N.point, D = by === 1 ? best.D.point : law.cost.tokens(C, N);
  const mean = law.loss(N, D, false);
  const lost = { point: mean.point - best.loss.point,
                 draws: mean.draws.map((v, i) => v - best.loss.draws[i]) };
  return Object.fromEntries(Object.entries({ n_opt: best.N, d_opt: best.D, loss_opt: best.loss,
    loss: law.loss(N, D, true), given_up: lost }).map(([k, v]) => [k, predictors.interval(v)]));
}"""
_PAINT = """async (steps) => {
  const slider = document.getElementById("explorer-budget");
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const times = [];
  for (let i = 0; i < steps; i++) {
    slider.value = low + ((high - low) * (i + 1)) / (steps + 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


@pytest.fixture(scope="module")
def fitted() -> Fit:
    x = design()
    loss = laws.get("chinchilla").predict(**x, **truth(laws.get("chinchilla")))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, len(loss)))
    return fit("chinchilla", pd.DataFrame({**x, "loss": loss * noise}), draws=1000)


def typed(tab: Any, text: str) -> tuple[float, str]:
    """The budget after this was typed, in FLOPs, and what is wrong with it."""
    tab.locator("#explorer-amount").fill(text)
    tab.locator("#explorer-amount").press("Enter")
    settled(tab)
    command = tab.locator("#explorer-command").inner_text()
    return float(command.split("--compute ")[1].split()[0]), tab.inner_text("#explorer-fault")


def test_by_keyboard_and_read_aloud(open_page: Any, fitted: Fit) -> None:
    tab = open_page(page({"": fitted}, command="scaling forecast F.json"))
    slider = tab.locator("#explorer-budget")
    before = tab.locator("#explorer-amount").input_value()
    slider.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.getElementById('explorer-told').textContent")
    after = tab.locator("#explorer-amount").input_value()
    assert float(after) == pytest.approx(float(before) * 10**0.02, rel=0.03)
    said = slider.get_attribute("aria-valuetext")
    assert said.startswith(f"{after} FLOPs, ")
    assert said.endswith("H100-SXM-hours")
    told = tab.locator("#explorer-told")
    assert told.get_attribute("aria-live") == "polite"
    assert "90 % interval" in told.inner_text()
    assert "forecast, " in told.inner_text()
    tab.keyboard.press("End")
    tab.locator("#explorer-warnings p", has_text="Far: ").wait_for()
    tab.locator("#explorer-size").focus()
    tab.keyboard.press("Home")
    tab.locator("#explorer-answers", has_text="Given up").wait_for()
    assert "--params" in tab.inner_text("#explorer-command")


def test_amounts_are_what_python_makes_of_them(open_page: Any, fitted: Fit) -> None:
    tab = open_page(page({"": fitted}, command="scaling forecast F.json"))
    h100 = Hardware.of(device("H100-SXM"), count=64)
    for text, C in {
        "1e21": 1e21,
        "2.5E FLOPs": 2.5e18,
        "1,000,000 T": 1e18,
        "3e5 H100-hours": h100.flops("device_hours", 3e5).point,
        "300k GPU-hours": h100.flops("device_hours", 3e5).point,
        "$2M": h100.flops("dollars", 2e6).point,
        "2000000 dollars": h100.flops("dollars", 2e6).point,
        "10 days on 64": h100.flops("days", 10).point,
        "7 days": h100.flops("days", 7).point,  # on the 64 named before
        "5e4 kWh": h100.flops("kwh", 5e4).point,
        "50 MWh": h100.flops("kwh", 5e4).point,
    }.items():
        found, fault = typed(tab, text)
        assert found == pytest.approx(C, rel=1e-12), text
        assert fault == ""
    v5e, _ = typed(tab, "1000 TPU-v5e-hours")
    assert v5e == pytest.approx(Hardware.of(device("TPU-v5e")).flops("device_hours", 1e3).point)
    assert tab.locator("#explorer-device").input_value() == "TPU-v5e"
    for text, fault in {
        "a lot": "is no budget; write 1e21",
        "5 parsecs": "“parsecs” is no unit of a budget; write 1e21",
        "1e99": "a budget lies between",
        "0": "a budget lies between",
        "3 Z80-hours": "is no device here; valid: ",
        "5 kWh": "the power of TPU-v5e is not published",
        "3 days on 0": "must be 1 or more",
    }.items():
        found, told = typed(tab, text)
        assert fault in told, text
        assert found == v5e
        assert tab.locator("#explorer-amount").get_attribute("aria-invalid") == "true"


def test_costs_are_python_s(open_page: Any, fitted: Fit) -> None:
    tab = open_page(page({"": fitted}, command="scaling forecast F.json"))
    typed(tab, "3e22")
    tab.locator("#explorer-device").select_option("A100-80GB")
    for name, value in (("count", "512"), ("mfu", "0.35"), ("price", "1.5"), ("pue", "1.3")):
        tab.locator(f"#explorer-{name}").fill(value)
    settled(tab)
    used = Hardware.of(
        device("A100-80GB"), count=512, mfu=Utilisation.given(0.35), price=1.5, pue=1.3
    )
    spent = used.spend(3e22)
    assert spent.dollars is not None
    assert spent.kwh is not None
    assert tab.inner_text("#explorer-cost") == (
        f"Cost: {figure(spent.device_hours.point)} A100-80GB-hours, {figure(spent.days.point)} "
        f"days on 512, ${figure(spent.dollars.point)}, at most {figure(spent.kwh.point)} kWh."
    )
    tab.locator("#explorer-mfu").fill("4")  # no share: the last one stays
    settled(tab)
    assert tab.locator("#explorer-mfu").get_attribute("aria-invalid") == "true"
    assert "--mfu 0.35 " in tab.inner_text("#explorer-command")


@pytest.mark.parametrize("keys", [[], ["ArrowLeft"] * 12])
def test_the_command_prints_what_the_page_says(
    open_page: Any, small_page: Path, keys: list[str]
) -> None:
    tab = open_page(small_page)
    C, _ = typed(tab, "4.7e14")
    tab.locator("#explorer-size").focus()
    for key in keys:
        tab.keyboard.press(key)
    settled(tab)
    size = float(f"{10 ** float(tab.locator('#explorer-size').input_value()):.3g}")
    command = tab.inner_text("#explorer-command").replace("DIR", str(small_page.parent))
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--json"], catch_exceptions=False)
    (printed,) = json.loads(done.output)["forecasts"]
    shown = tab.evaluate(_NUMBERS, [C, size])
    names = ["n_opt", "d_opt", "loss_opt", "loss", *(["given_up"] if keys else [])]
    for name in names:
        for end in ("point", "q05", "q95"):
            assert shown[name][end] == pytest.approx(printed[name][end], rel=1e-9), (name, end)
    answers = tab.inner_text("#explorer-answers")
    for end in ("point", "q05", "q95"):
        assert f"{printed['loss'][end]:.4f}" in answers
    assert printed["kind"] in answers
    hours = printed["spend"]["device_hours"]["point"]
    assert hours < 1e-4 or figure(hours) in tab.inner_text("#explorer-cost")


def test_without_a_script_a_table_stands_there(open_page: Any, small_page: Path) -> None:
    tab = open_page(small_page, java_script_enabled=False)
    assert not tab.locator("#explorer-tool").is_visible()
    rows = tab.locator("#explorer-table tbody tr")
    assert rows.count() == 9
    assert rows.first.is_visible()
    assert "forecast, 1e+04× the largest run" in rows.last.inner_text()


def test_names_are_text_and_a_phone_holds_them(open_page: Any, fitted: Fit) -> None:
    names = {MARKUP: fitted, "long " * 100: fitted, "Kaplan": published_law("kaplan2020")}
    tab = open_page(page(names), viewport=PHONE)
    tab.wait_for_selector("#explorer-chart text")
    assert MARKUP in tab.inner_text("#explorer-answers")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert "without draws has no interval" in tab.inner_text("#explorer-tool")
    assert "is not known" in tab.inner_text("#explorer-answers")


def test_what_cannot_be_moved_says_so(open_page: Any) -> None:
    step = np.geomspace(1e17, 1e20, 5)
    parts = [pd.DataFrame({"N": n, "D": C / (6 * n)}) for C in step
             for n in [np.sqrt(C / 120) * np.geomspace(0.25, 4, 7)]]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    law = laws.get("chinchilla")
    table["loss"] = law.predict(table["N"], table["D"], **truth(law))
    tab = open_page(page({"": isoflop(table, draws=20)}))
    assert "The budget cannot be moved in this page" in tab.inner_text("#explorer")
    assert tab.locator("#explorer-table tbody tr").first.is_visible()
    assert tab.locator("#explorer-tool").count() == 0


def test_three_families_of_1000_draws_follow_the_slider(open_page: Any, fitted: Fit) -> None:
    families = {name: replace(fitted, seed=i) for i, name in enumerate(("a", "b", "c"))}
    tab = open_page(page(families))
    tab.wait_for_selector("#explorer-chart text")
    times = tab.evaluate(_PAINT, 20)
    print(f"input to paint: median {np.median(times):.0f} ms, worst {max(times):.0f} ms")
    assert np.median(times) < 100
