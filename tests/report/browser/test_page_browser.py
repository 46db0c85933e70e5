"""The page in a browser: nothing runs but its own script, nothing is asked for, all can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batteries.browser import settled, watch

from scaling.report.embed import embed, policy


def test_the_page_opens_without_an_error_or_a_request(open_page: Any, small_page: Path) -> None:
    page = open_page(small_page)
    assert page.title() == "Scaling study made-up"
    assert page.locator("figure svg:not(.over)").count() == 9  # one of them the budget's chart
    assert page.locator("[style]").count() == 0


def test_axe_finds_nothing_serious(axe: Any, small_page: Path) -> None:
    assert axe(small_page) == []


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("<b style='color: blue'>x</b>", "inline style"),
        ("<img src='https://example.org/x.png'>", "image"),
        ("<script>window.ran = 2</script>", "inline script"),
    ],
)
def test_the_policy_lets_nothing_else_in(
    browser: Any, tmp_path: Path, added: str, told: str
) -> None:
    style, script = "p { color: rgb(255, 0, 0) }", "window.ran = 1"
    path = tmp_path / "page.html"
    path.write_text(
        f'<meta http-equiv="Content-Security-Policy" content="{policy([style], [script])}">'
        f"<style>{style}</style><p>x</p><script>{script}</script>{added}"
    )
    page = browser.new_page()
    faults = watch(page, path.as_uri())
    page.goto(path.as_uri())
    settled(page)
    assert page.evaluate("window.ran") == 1
    assert page.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(255, 0, 0)"
    assert any(told in fault.lower() for fault in faults), faults
    page.context.close()


def test_data_are_read_as_they_were_and_end_no_script(open_page: Any) -> None:
    value = {"</script><script>alert(1)</script>": ["<!--", "&amp;", "\u2028", 1.5, float("nan")]}
    page = open_page(f"<!doctype html>{embed('data', value)}")
    read = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    assert read == {"</script><script>alert(1)</script>": ["<!--", "&amp;", "\u2028", 1.5, None]}
