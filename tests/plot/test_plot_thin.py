"""Of very many runs a figure draws a stated part; levels are found in 100,000 rows, too."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scaling import plot
from scaling.fit import fit
from scaling.plot.levels import levels
from scaling.plot.thin import nth, thinned


def test_few_runs_are_all_drawn() -> None:
    kept, said = thinned([3.0, 1.0, 2.0], most=3)
    assert list(kept) == [0, 1, 2]
    assert said == ""


def test_every_kth_of_each_size_is_kept_and_said() -> None:
    size = np.repeat([1e4, 1e5, 1e6], [10, 1000, 3])
    kept, said = thinned(size, most=100)
    assert said == f"{len(kept)} of 1,013 runs drawn: every 11th of each size"
    assert [int((size[kept] == v).sum()) for v in (1e4, 1e5, 1e6)] == [1, 91, 1]
    assert list(kept[:2]) == [0, 10]


def test_where_every_run_has_its_own_size_the_order_of_sizes_is_thinned() -> None:
    kept, said = thinned(np.arange(1000.0)[::-1], most=100)
    assert said == "100 of 1,000 runs drawn: every 10th in order of size"
    assert list(kept[:2]) == [9, 19]


def test_ordinals() -> None:
    assert [nth(n) for n in (1, 2, 3, 4, 11, 12, 21, 102, 113)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "102nd", "113th",
    ]  # fmt: skip


def plainly(x: np.ndarray, along: np.ndarray, tolerance: float, least: int) -> list[list[int]]:
    """The rows of all levels, by looking at every row's neighbourhood again after each."""
    free, found = np.full(len(x), True), []
    while free.any():
        near = np.abs(np.log(x[:, None] / x)) <= np.log1p(tolerance)
        near &= free & free[:, None]
        counts = np.array([len(np.unique(along[row])) for row in near])
        if counts.max() < least:
            break
        rows = np.flatnonzero(near[int(counts.argmax())])
        value = np.exp(np.log(x[rows]).mean())
        found.append((value, rows.tolist()))
        free &= np.abs(np.log(x / value)) > 2 * np.log1p(tolerance)
    return [rows for _, rows in sorted(found)]


@pytest.mark.parametrize("seed", range(6))
def test_levels_are_those_of_the_plain_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(0, 3, 150)) if seed % 2 else np.repeat(np.geomspace(1, 9, 15), 10)
    along = rng.integers(0, 8, 150).astype(float)
    found = levels(x, along, tolerance=0.05, most=1000)
    assert [level.rows.tolist() for level in found] == plainly(x, along, 0.05, 3)


def table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    N = np.resize(np.geomspace(1e4, 1e6, 20), rows)
    D = np.exp(rng.uniform(np.log(5e5), np.log(5e7), rows))
    loss = (0.9 + 37 / N**0.44 + 176 / D**0.44) * np.exp(rng.normal(0, 0.004, rows))
    return pd.DataFrame({"run": [f"r{i}" for i in range(rows)], "N": N, "D": D, "loss": loss})


def test_100_000_rows_are_drawn_in_seconds_and_it_is_said_which() -> None:
    """By a law fitted to some of them: what is tested is the drawing."""
    whole = table(100_000)
    fitted = fit("chinchilla", whole.iloc[:400], draws=20)
    points = {name: whole[name].to_numpy(float) for name in ("N", "D", "loss")}
    many = replace(fitted, points=points)
    start = time.process_time()
    for draw in (plot.frontier, plot.residuals, plot.slices, plot.isoflop, plot.envelope):
        figure: Figure = draw(many)
        drawn = sum(len(line.get_xdata()) for axes in figure.axes for line in axes.lines)
        assert drawn < 12_000
        said = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert any(
            "of 100,000 runs" in text or "runs of a budget" in text or "averaged over" in text
            for text in said
        )
    assert time.process_time() - start < 12
