"""The display of a sweep, through a pipe: a line a finished cell, and the truth in it."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from scaling.grid import Cell
from scaling.sweep.live import clock, display
from scaling.sweep.planning.plan import costs
from scaling.sweep.work import Trained
from scaling.train.diagnosis import Finding


@pytest.mark.parametrize("terminal", [False, True])
def test_finished_and_diverged_cells_are_lines(cells: list[Cell], terminal: bool) -> None:
    page = StringIO()
    console = Console(file=page, width=160, force_terminal=terminal, color_system=None)
    facts = {"seconds": 1.25, "loss_se": 0.01}
    with display(console, "pilots", cells[:2], costs(cells, {})) as on_event:
        on_event(Trained(cells[0].trunk, 0, float("nan")))  # before anything was trained
        spike = Finding("spike", 9, "mlp_0", "the loss went up and was back")
        on_event(Trained(cells[0].trunk, 16, 2.5, findings=(spike,)))
        good = {**cells[0].facts(), **facts, "status": "finished", "reason": "", "loss": 2.25}
        on_event(Trained(cells[0].trunk, 0, 2.25, good))
        bad = {**cells[1].facts(), **facts, "status": "diverged", "reason": "loss nan at step 3"}
        on_event(Trained(cells[1].trunk, 0, float("nan"), {**bad, "loss": float("nan")}))
    shown = page.getvalue()
    assert "1/2" in shown
    assert "loss 2.2500 ± 0.0100" in shown
    assert "2/2" in shown
    assert "diverged: loss nan at step 3" in shown
    named = f"transformer N {cells[0].shape.N:,} seed {cells[0].seed}"
    assert f"{named}: spike from step 9, mlp_0: the loss went up and was back" in shown
    assert ("tokens/s" in shown) == terminal


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3725, "1:02:05")]
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
