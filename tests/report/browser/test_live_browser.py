"""The live report in a browser: cells appear, what the reader did stays, nothing else is asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from batteries.browser import WIDE, settled
from batteries.running import Running

from scaling.report import figures as figures_module
from scaling.report import live as live_module
from scaling.report.figures import Shown
from scaling.report.live import Live
from scaling.report.serving import server


class Served:
    """A live page of 12 cells, its study, and tabs that look at it."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.faults = browser, list[str]()
        self.study = Running(folder)
        self.study.finish(12)
        self.live = Live(folder)
        self._server = server(lambda: self.live.page, 0)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def begin(self) -> None:
        self._thread.start()
        self.live.__enter__()

    def end(self) -> None:
        if self._thread.is_alive():
            self.live.__exit__()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def open(self) -> Any:
        """Errors, warnings, and requests beyond the page's own server are faults."""
        tab = self.browser.new_context(viewport=WIDE).new_page()
        tab.on("console", self._said)
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("request", self._asked)
        tab.goto(self.address)
        return tab

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self.address):
            self.faults.append(request.url)


@pytest.fixture
def served(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(live_module, "BUILD_SHARE", 1e9)
    monkeypatch.setattr(live_module, "NICENESS", os.nice(0))
    # they take seconds, and what is tested here is beside them
    monkeypatch.setattr(figures_module, "_shown", lambda *_: Shown(None, "", "left out here"))
    made = Served(browser, tmp_path / "study")
    with ExitStack() as stack:
        made.begin()
        stack.callback(made.end)
        yield made


def until(tab: Any, truth: str, timeout: float = 90) -> None:
    """Wait for a truth about the page. Playwright's own way would need eval, which the page's
    policy forbids."""
    end = time.monotonic() + timeout
    while not _is(tab, truth):
        assert time.monotonic() < end, truth
        time.sleep(0.05)
    settled(tab)


def _is(tab: Any, truth: str) -> bool:
    try:
        return bool(tab.evaluate(truth))
    except Exception as error:  # in the middle of being loaded
        if "navigation" in str(error) or "is not defined" in str(error):
            return False
        raise


TOP = "document.getElementById('cells').getBoundingClientRect().top"
CHOSEN = "[...chosen].map((run) => runs.columns.run[run])"
SORTED = "document.querySelector('#cells th[aria-sort]').textContent"
LINE = "document.getElementById('live').textContent"


def test_cells_appear_and_what_the_reader_did_stays(served: Served) -> None:
    tab, untouched, busy = (served.open() for _ in range(3))
    assert tab.evaluate(LINE).startswith("live: 12 of 33 cells, refreshed ")
    assert tab.evaluate("runs.count") == 12
    tab.focus("#explorer-budget")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    largest, moved = (one.input_value("#explorer-budget") for one in (untouched, tab))
    assert moved != largest
    tab.evaluate("choose([2, 5])")
    names = tab.evaluate(CHOSEN)
    tab.click("summary:has-text('Show and hide')")
    tab.click("fieldset:has(legend:text-is('seed')) button >> nth=0")
    tab.fill("#cells-filter", "cell")
    tab.click("#cells th button >> nth=3")
    order = tab.evaluate(SORTED)
    tab.evaluate("document.getElementById('cells').scrollIntoView()")
    tab.focus("#cells-filter")
    settled(tab)
    top, answers = tab.evaluate(TOP), tab.inner_text("#explorer-answers")
    slider = busy.locator("#explorer-budget")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    busy.mouse.move(box["x"] + 9, box["y"] + box["height"] / 2)
    busy.mouse.down()

    served.study.finish(20)
    until(tab, "runs.count === 32")
    assert tab.evaluate(LINE).startswith("live: 32 of 33 cells, refreshed ")
    assert tab.input_value("#explorer-budget") == moved
    assert tab.inner_text("#explorer-answers") != answers  # the same budget, by more runs
    assert tab.evaluate(CHOSEN) == names
    hidden = tab.locator("fieldset:has(legend:text-is('seed')) button[aria-pressed=false]")
    assert hidden.count() == 1
    assert tab.input_value("#cells-filter") == "cell"
    assert tab.evaluate(SORTED) == order
    assert tab.evaluate(TOP) == pytest.approx(top, abs=2)
    assert tab.evaluate("document.activeElement.id") == "cells-filter"

    # what nobody touched follows the study
    until(untouched, "runs.count === 32")
    assert float(untouched.input_value("#explorer-budget")) > float(largest)
    assert untouched.evaluate("[scrollY, chosen.size]") == [0, 0]

    # a page whose slider is held waits, but says how far the study is
    until(busy, f"{LINE}.startsWith('live: 32 of 33')")
    time.sleep(2.5)  # the next question after that, and the quiet before a page is loaded
    assert busy.evaluate("runs.count") == 12
    busy.mouse.up()
    until(busy, "runs.count === 32")
    assert served.faults == []

    served.end()
    until(tab, f"{LINE}.endsWith('; no longer live: its server does not answer')")
