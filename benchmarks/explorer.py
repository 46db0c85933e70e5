"""How fast a page's budget follows the slider, and how much of the page it takes.

    python benchmarks/explorer.py

Needs Chromium and playwright (extra `dev`). Each row is a page of its own (`report.explorer_page`):
its kilobytes (all of it: draws, scripts, style), how long Python takes to write it, and the time
from an input of the slider to the paint after it, over 40 places of the slider: the least (a
machine that is busy with something else only adds), the median and the worst. Laws with a closed
form under 6ND need no search; under a counted cost each draw's optimum is searched, and a law that
may turn twice (data that repeat) is looked over first. The baseline is Python's answer to the same
question: `predictor.optimum` and `predictor.loss`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

from scaling.cost import Cost, counted
from scaling.fit import Fit, fit
from scaling.forecast.further.given import Given
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import published_law
from scaling.report.explorer_page import page
from scaling.report.pooled import pooled

CHROMIUM = "/usr/bin/chromium"
PLACES = 40
SETTLE = 4000  # milliseconds in which the chart's frontier is drawn
COUNTED = counted([1e5, 1e6, 3e7, 1e9], [1e8] * 4, 1e8 * np.array([9e5, 7e6, 1.9e8, 6.2e9]))
_PAINT = """async (places) => {
  const slider = document.getElementById("explorer-budget");
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const times = [];
  for (let i = 0; i < places; i++) {
    slider.value = low + ((high - low) * (i + 1)) / (places + 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


def fitted(draws: int) -> Fit:
    """Hoffmann's law fitted to 81 made-up runs."""
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(5e7, 5e9, 9), np.geomspace(1e9, 3e11, 9)))
    truth = published_law("besiroglu2024")
    noise = np.exp(np.random.default_rng(0).normal(0, 0.005, N.size))
    table = pd.DataFrame({"N": N, "D": D, "loss": truth.loss(N, D).point * noise})
    return fit("chinchilla", table, draws=draws)


def of_law(base: Fit, published: str, cost: Cost) -> Fit:
    """The same runs with another law's printed parameters, 2 % to either side in each draw."""
    law, params = published_law(published).law, published_law(published).params
    spread = np.random.default_rng(1).normal(0, 0.02, (len(base.draws), len(params)))
    draws = np.array([*params.values()]) * np.exp(spread)
    return replace(base, law=law, params=params, draws=draws, fixed={}, cost=cost)


def cases() -> Iterator[tuple[str, dict[str, Predictor]]]:
    for draws in (100, 1000, 4000):
        yield f"chinchilla, 6ND, {draws:,} draws", {"": fitted(draws)}
    base = fitted(1000)
    priced = replace(base, cost=COUNTED)
    yield "chinchilla, counted, 1,000 draws", {"": priced}
    yield "kaplan, counted, 1,000 draws", {"": of_law(base, "kaplan2020", COUNTED)}
    repeated = of_law(base, "muennighoff2023", Cost())
    yield "muennighoff, 1e11 unique, 1,000 draws", {"": Given(repeated, {"D_unique": 1e11})}
    yield "3 families, counted, 1,000 draws each", {k: pooled([priced], 0.004) for k in "abc"}


def least_of_python(predictors: dict[str, Predictor]) -> float:
    """Milliseconds of the fastest of several answers."""
    found = []
    for C in np.geomspace(1e21, 1e23, 5):
        start = time.perf_counter()
        for one in predictors.values():
            best = one.optimum(C)
            best.N.interval(), best.D.interval(), best.loss.interval()
            one.loss(best.N.point, best.D.point, noise=True).interval()
        found.append(time.perf_counter() - start)
    return 1e3 * min(found)


def measured(browser: Browser, text: str, folder: Path) -> list[float]:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_timeout(SETTLE)
    times: Any = tab.evaluate(_PAINT, PLACES)
    tab.close()
    return list(map(float, times))


def main() -> None:
    print(
        f"{'law':<40} {'kB':>5} {'written':>8}   {'least':>6} {'median':>6} {'worst':>6}   Python"
    )
    with sync_playwright() as driver, TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, predictors in cases():
            start = time.perf_counter()
            text = page(predictors)
            written = 1e3 * (time.perf_counter() - start)
            times = measured(browser, text, Path(folder))
            print(
                f"{name:<40} {len(text.encode()) / 1e3:5.0f} {written:5.0f} ms   "
                f"{min(times):6.0f} {np.median(times):6.0f} {max(times):6.0f} ms "
                f"{least_of_python(predictors):5.0f} ms",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    main()
