"""How long a report's page takes from an input to the paint that answers it: `python
benchmarks/page.py REPORT.html`, with Debian's Chromium by playwright.

Real input (a pointer that moves, clicks, drags; keys) is timed from the event's own stamp to the
end of the frame that shows it. The first line is of an input without effect: what a browser's frame
costs on this machine as busy as it is. Without a report one of 1,000 made-up runs is written first.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WATCH = """
window.paces = [];
for (const type of ["pointermove", "pointerup", "click", "keydown", "input"]) {
  addEventListener(type, (event) => {
    const begun = event.timeStamp;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => window.paces.push([type, performance.now() - begun]);
      port2.postMessage(null);
    });
  }, true);
}
"""
MOVES = 40
NOTHING = "(an input without effect)"


def made_up(folder: Path) -> Path:
    """The report of 1,000 made-up runs."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from batteries import studies

    from scaling.report import report

    return Path(str(report(studies.large_study(folder / "study"))))


@contextmanager
def opened(report: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(report.as_uri())
        yield tab
        browser.close()


def pace(tab: Any) -> dict[str, list[float]]:
    """Milliseconds from input to paint of each kind of input, on a page that is open."""
    tab.evaluate(WATCH)
    figure = tab.locator("#figure-residuals svg[role=img]")
    box = within(tab, figure)
    seed = tab.get_by_role("group", name="seed").get_by_role("button").first
    switches = tab.get_by_role("group", name="law").get_by_role("button")
    head = tab.locator("#cells th[data-sort=loss] button")
    found: dict[str, list[float]] = {}

    def timed(kind: str, event: str, act: Callable[[], None]) -> None:
        tab.evaluate("window.paces = []")
        act()
        tab.wait_for_function("(type) => window.paces.some(([name]) => name === type)", arg=event)
        told = tab.evaluate("window.paces")
        found.setdefault(kind, []).extend(ms for name, ms in told if name == event)

    def drag() -> None:
        tab.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
        tab.mouse.down()
        tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
        tab.mouse.up()

    for i in range(10):  # what the machine, and a browser's frames, cost by themselves
        timed(NOTHING, "pointermove", lambda i=i: tab.mouse.move(3 + i, 300))
    for i in range(MOVES):
        x, y = box["x"] + (0.1 + 0.8 * i / MOVES) * box["width"], box["y"] + 0.4 * box["height"]
        timed("hover", "pointermove", lambda x=x, y=y: tab.mouse.move(x, y))
    tab.locator("#figure-residuals .paper").focus()
    for _ in range(10):
        timed("arrow key", "keydown", lambda: tab.keyboard.press("ArrowRight"))
    for _ in range(5):
        timed("select by a rectangle", "pointerup", drag)
        selected = tab.evaluate("chosen.size")
        timed("clear", "keydown", lambda: tab.keyboard.press("Escape"))
    assert selected > 0
    tab.locator(".switches summary").click()
    for _ in range(3):
        for _ in range(2):
            timed("toggle runs", "click", seed.click)
            timed("toggle bands", "click", switches.nth(2).click)
        timed("sort", "click", head.click)
        timed("filter", "input", lambda: tab.get_by_label("Filter").fill("01"))
        timed("filter", "input", lambda: tab.get_by_label("Filter").fill(""))
    return found


def within(tab: Any, figure: Any) -> dict[str, float]:
    """A figure's box, once it stands in the window."""
    figure.evaluate("(svg) => svg.scrollIntoView({ block: 'center' })")
    tab.wait_for_timeout(200)
    box: dict[str, float] = figure.bounding_box()
    return box


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", nargs="?", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = (given.report or made_up(Path(folder))).resolve()
        print(f"{report.name}: {report.stat().st_size / 1e6:.2f} MB")
        with opened(report) as tab:
            ready = tab.evaluate(
                "(() => { const [one] = performance.getEntriesByType('navigation');"
                " return one.loadEventEnd - one.startTime; })()"
            )
            print(f"{'opened':24} {ready:6.0f} ms")
            for kind, times in pace(tab).items():
                print(
                    f"{kind:26} {statistics.median(times):6.1f} ms median, "
                    f"{max(times):6.1f} worst of {len(times)}"
                )


if __name__ == "__main__":
    main()
