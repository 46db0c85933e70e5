"""The page on paper and in the dark, and the names that a study may bring into it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from batteries import studies
from batteries.browser import settled

from scaling.report import report
from scaling.report.dark import GROUND, contrast, twin

RED_SCRIPT = "<script>alert(1)</script>"


def colour(page: Any, selector: str, what: str) -> str:
    """A computed colour as #rrggbb."""
    told = page.locator(selector).first.evaluate(
        "(element, what) => getComputedStyle(element)[what]", what
    )
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", told)[:3])


def test_on_paper_all_stands_and_says_what_was_chosen(open_page: Any, small_page: Path) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is in the extra `dev`")
    page = open_page(small_page, color_scheme="light")
    page.locator("tbody .pick", has_text="01011cell").click()
    page.locator(".switches summary").click()
    page.get_by_role("button", name="0", exact=True).click()
    settled(page)
    written = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4")))
    text = "\n".join(one.extract_text() for one in written.pages)
    assert 5 <= len(written.pages) <= 12
    assert "1 of 33 selected; hidden: seed 0" in text
    assert "Clear" not in text
    assert "Filter" not in text
    assert len(re.findall(r"\d{6}cell|\d{5}cell", text)) >= 16
    assert "How to reproduce it" in text


def test_on_paper_no_figure_is_cut_and_colours_are_light(open_page: Any, small_page: Path) -> None:
    page = open_page(small_page, color_scheme="dark")
    page.emulate_media(media="print")
    settled(page)
    assert colour(page, "body", "backgroundColor") == "#ffffff"
    assert colour(page, "#isoflop-axes_1 text", "fill") == "#000000"
    page_height = 29.7 / 2.54 * 96
    heights = page.locator("figure").evaluate_all("(all) => all.map((one) => one.offsetHeight)")
    assert max(heights) < 0.8 * page_height
    inside = page.locator("figure").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).breakInside)"
    )
    assert set(inside) == {"avoid"}
    assert page.locator("thead").first.evaluate("(one) => getComputedStyle(one).display") == (
        "table-header-group"
    )


def test_figures_are_dark_in_the_dark(open_page: Any, small_page: Path) -> None:
    page = open_page(small_page, color_scheme="dark")
    assert colour(page, ".paper", "backgroundColor") == GROUND
    for selector, what in (
        ("#frontier-fit-loss path", "stroke"),
        ("#frontier-text_1 text, #frontier-text_1 tspan", "fill"),
        ("#isoflop-xtick_1 use", "stroke"),
    ):
        assert contrast(colour(page, selector, what), GROUND) >= 4.5, selector
    assert colour(page, "#frontier-fit-loss path", "stroke") == twin("#0b4f8a")
    # a marker's edge is of its own definition, which no ancestor reaches
    assert colour(page, "#residuals-figure_1 defs path[stroke='#ffffff']", "stroke") == GROUND
    assert (
        contrast(colour(page, "figcaption", "color"), colour(page, "body", "backgroundColor")) > 7
    )


def test_names_are_shown_never_run(open_page: Any, tmp_path: Path) -> None:
    long = "😀" * 3 + RED_SCRIPT + "x" * 500
    folder = studies.small_study(tmp_path / "study", long, forecast=False)
    cell = sorted((folder / "cells").iterdir())[0]
    studies.rewrite(cell, family=RED_SCRIPT, reason=RED_SCRIPT, status="recovered")
    page = open_page(Path(str(report(folder))))
    assert long in page.locator("h1").inner_text()
    assert RED_SCRIPT in page.locator("#cells tbody").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    page.get_by_label("Filter").fill(RED_SCRIPT)
    page.locator("tbody .pick").first.click()
    page.locator(".switches summary").click()
    assert page.get_by_role("button", name=RED_SCRIPT).count() == 1
    assert page.locator("script:not([type])").count() == 1


def test_less_motion_is_none(open_page: Any, small_page: Path) -> None:
    page = open_page(small_page, reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((one) => {
          const { transitionDuration, animationName } = getComputedStyle(one);
          return transitionDuration !== "0s" || animationName !== "none";
        }).length"""
    )
    assert moving == 0
