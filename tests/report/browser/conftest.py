"""A real browser for the report's page: Chromium by playwright, and axe-core.

Whatever a page does that a report must never do fails the test that opened it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from batteries import studies
from batteries.browser import AXE_SAYS, CHROMIUM, WIDE, watch

from scaling.report import report


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The session's Chromium; tests skip where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium: `apt-get install chromium` puts it at {CHROMIUM}")
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: it is in the extra `dev`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page, given as HTML or as a file: `open_page(html, viewport=PHONE)`.

    Settings are those of a context of playwright (color_scheme, has_touch, media). At the end of
    the test no page opened may have done what `watch` tells.
    """
    opened: list[tuple[Any, list[str]]] = []

    def open_one(page: str | Path, **settings: Any) -> Any:
        path = tmp_path / f"page{len(opened)}.html"
        if isinstance(page, Path):
            path = page
        else:
            path.write_text(page, encoding="utf-8")
        context = browser.new_context(**{"viewport": WIDE, **settings})
        context.set_offline(True)
        tab = context.new_page()
        opened.append((context, watch(tab, path.as_uri())))
        tab.goto(path.as_uri())
        return tab

    yield open_one
    for context, _ in opened:
        context.close()
    assert [fault for _, faults in opened for fault in faults] == []


@pytest.fixture
def axe(browser: Any) -> Callable[..., list[str]]:
    """What axe-core finds serious or critical on a page, light and dark: `axe(path) == []`.

    prepare: called with the opened tab before axe looks.
    """
    pytest.importorskip("axe_playwright_python", reason="axe-core is in the extra `dev`")
    from axe_playwright_python.sync_playwright import Axe

    def look(page: Path, prepare: Callable[[Any], None] | None = None, **how: Any) -> list[str]:
        # only here is the page's policy set aside, to bring axe in
        context = browser.new_context(**{"viewport": WIDE, "bypass_csp": True, **how})
        tab = context.new_page()
        tab.goto(page.as_uri())
        if prepare:
            prepare(tab)
        found = Axe().run(tab).response["violations"]
        tab.emulate_media(color_scheme="dark")
        # colours alone differ in the dark
        rules = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
        found += Axe().run(tab, options=rules).response["violations"]
        context.close()
        return [
            f"{fault['id']}: {node['target']}: {node['failureSummary']}"
            for fault in found
            if fault["impact"] in AXE_SAYS
            for node in fault["nodes"]
        ]

    return look


@pytest.fixture(scope="session")
def small_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the small study: 33 runs, one of them a target."""
    return Path(str(report(studies.small_study(tmp_path_factory.mktemp("small") / "study"))))


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 1,000 runs, which takes its time: for tests that are marked slow."""
    return Path(str(report(studies.large_study(tmp_path_factory.mktemp("large") / "study"))))
