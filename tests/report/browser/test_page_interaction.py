"""What the page answers to: pointer, keys, switches, the table. One small study, a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batteries.browser import PHONE, settled

COUNT = ".switches [role=status]"


@pytest.fixture
def page(open_page: Any, small_page: Path) -> Any:
    return open_page(small_page)


def spot(page: Any, figure: str, series: int, point: int) -> tuple[float, float]:
    """Where a marker lies in the window, the figure brought into it."""
    page.locator(f"#figure-{figure}").scroll_into_view_if_needed()
    settled(page)
    x, y = page.evaluate(
        """([figure, series, point]) => {
          const told = JSON.parse(document.getElementById(`points-${figure}`).textContent);
          const svg = document.querySelector(`#figure-${figure} svg`);
          const box = svg.getBoundingClientRect();
          const k = box.width / svg.viewBox.baseVal.width;
          const one = told.series[series];
          return [box.left + one.x[point] * k, box.top + one.y[point] * k];
        }""",
        [figure, series, point],
    )
    return x, y


def rings(page: Any, figure: str) -> int:
    """How many markers of a figure are ringed as selected."""
    settled(page)
    path = page.locator(f"#figure-{figure} .rings").get_attribute("d") or ""
    return path.count("M")


def test_a_pointer_shows_all_that_the_table_knows_of_a_run(page: Any) -> None:
    page.mouse.move(*spot(page, "residuals", 0, 0))
    told = page.locator(".tip").inner_text().split("\n")
    assert told[told.index("run") + 1] == "00000cell"
    assert told[told.index("N_total") + 1] == "12,000"
    assert told[told.index("C") + 1] == "3.500e+10"
    assert told[told.index("role") + 1] == "pilot"
    assert float(told[told.index("percent") + 1]) == pytest.approx(0.0, abs=2)
    page.mouse.move(2, 2)
    assert not page.locator(".tip").is_visible()


def test_a_law_is_read_with_its_band_and_is_no_forecast_inside_the_data(page: Any) -> None:
    said = []
    for name in ("isoflop-fit-budget_0", "isoflop-forecast-budget_0"):
        series = page.evaluate(
            """(id) => JSON.parse(document.getElementById("points-isoflop").textContent)
              .series.findIndex((one) => one.id === id)""",
            name,
        )
        page.mouse.move(*spot(page, "isoflop", series, 8))
        said.append(page.locator(".tip").inner_text())
    assert "Fitted law, inside the data" in said[0]
    assert "a forecast" in said[1]
    assert all("90 % interval" in text for text in said)


def test_arrow_keys_go_between_points_and_are_read_aloud(page: Any) -> None:
    page.locator("#figure-residuals .paper").focus()
    aloud = page.locator(".aloud")
    heard = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
        heard.append(aloud.text_content())
    first, second, back, end, home, other = heard
    assert "run 0" in first
    assert first == back == home
    assert len({first, second, end, other}) == 4
    assert "N_total 24,000" in other
    page.keyboard.press("Enter")
    assert ", selected: " in aloud.text_content()
    assert page.locator(COUNT).text_content() == "1 of 33 selected"
    page.keyboard.press("Escape")
    assert not page.locator(".tip").is_visible()
    page.keyboard.press("Escape")
    assert page.locator(COUNT).text_content() == "0 of 33 selected"


def test_a_run_is_selected_everywhere(page: Any) -> None:
    page.mouse.click(*spot(page, "residuals", 0, 0))
    settled(page)
    assert page.locator("tr.chosen").count() == 1
    assert page.locator("tr.chosen .pick").text_content() == "00000cell"
    drawn = {name: rings(page, name) for name in ("residuals", "frontier", "cost", "loss_curves")}
    assert drawn == {"residuals": 3, "frontier": 3, "cost": 1, "loss_curves": 1}
    page.locator("tbody .pick", has_text="01011cell").click(modifiers=["Shift"])
    assert page.locator(COUNT).text_content() == "2 of 33 selected"
    assert rings(page, "cost") == 2
    page.get_by_role("button", name="Selected only").click()
    assert page.locator("#cells tbody tr").count() == 2
    page.get_by_role("button", name="Clear selection").click()
    assert rings(page, "cost") == 0
    assert page.locator("#cells tbody tr").count() == 0


def test_a_rectangle_selects_many(page: Any) -> None:
    x, _ = spot(page, "residuals", 0, 0)
    box = page.locator("#figure-residuals svg[role=img]").bounding_box()
    page.mouse.move(x - 8, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(x + 8, box["y"] + 0.8 * box["height"], steps=3)
    page.mouse.up()
    assert page.locator(COUNT).text_content() == "8 of 33 selected"
    settled(page)
    assert page.locator("tr.chosen").count() == 8


def test_switches_hide_runs_and_layers_everywhere(page: Any) -> None:
    page.locator(".switches summary").click()
    seed = page.get_by_role("button", name="1", exact=True)
    seed.click()
    assert seed.get_attribute("aria-pressed") == "false"
    settled(page)
    assert page.locator("#cells tbody tr").count() == 17
    # 16 runs in three panels
    assert page.locator("#figure-residuals use.off").count() == 48
    assert page.locator(COUNT).text_content() == "0 of 33 selected; hidden: seed 1"
    page.locator("#figure-isoflop").scroll_into_view_if_needed()
    band = page.locator("#isoflop-band-budget_0")
    assert band.is_visible()
    page.get_by_role("button", name="bands").click()
    settled(page)
    assert band.evaluate("(one) => getComputedStyle(one).visibility") == "hidden"
    page.get_by_role("button", name="target", exact=True).click()
    settled(page)
    assert page.locator("#cells tbody tr").count() == 16
    assert page.locator("#frontier-truths").get_attribute("class") == "off"
    page.get_by_role("button", name="12k", exact=True).click()
    settled(page)
    assert page.locator("#envelope-size-12000_0").get_attribute("class") == "off"
    page.get_by_role("button", name="Show all").click()
    settled(page)
    assert page.locator("svg .off").count() == 0
    assert page.locator("#cells tbody tr").count() == 33


def test_the_table_sorts_and_filters(page: Any) -> None:
    head = page.locator("#cells th", has_text="Loss")
    cells = page.locator("#cells tbody tr td:nth-child(9)")
    for press, order in (("ascending", sorted), ("descending", lambda v: sorted(v)[::-1])):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == press
        losses = [float(text.split(" ±")[0]) for text in cells.all_text_contents()]
        assert losses == order(losses)
    page.get_by_label("Filter").fill("TARGET")
    assert page.locator("#cells tbody tr").count() == 1
    assert page.locator(".bar [role=status]").text_content() == "Rows 1 to 1 of 1"


def test_a_touch_shows_and_selects(open_page: Any, small_page: Path) -> None:
    page = open_page(small_page, viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.touchscreen.tap(*spot(page, "residuals", 0, 0))
    assert page.locator(".tip").is_visible()
    assert page.locator(COUNT).text_content() == "1 of 33 selected"
