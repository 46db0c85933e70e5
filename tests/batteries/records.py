"""Records as a worker makes them, without training anything."""

from __future__ import annotations

from typing import Any

import pandas as pd

from scaling.grid import Cell, Grid
from scaling.sweep.storing.planned import Changes
from scaling.sweep.storing.store import Store

CURVE = pd.DataFrame({"step": [16], "tokens": [2048], "loss": [2.0]})


def record_of(cell: Cell, **changes: Any) -> dict[str, Any]:
    measured = {
        "loss": 1.0 + 1.0 / cell.D, "loss_se": 0.01, "train_loss": 1.0, "status": "finished",
        "reason": "", "seconds": 1.5, "trained_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return {**cell.facts(), **measured, **changes}


def take_up(
    store: Store, grid: Grid, text: str = "text", facts: Any = None, known: Any = None
) -> Changes:
    return store.open(grid, text, facts or {}, known)
