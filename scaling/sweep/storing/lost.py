"""Cells whose process died or hung at every attempt: each gets a record that says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from scaling.grid import Cell
from scaling.sweep.crew import Lost
from scaling.sweep.planning.plan import CellCost
from scaling.sweep.storing.store import Store
from scaling.train.diagnosis import Finding


def give_up(
    store: Store, cells: Sequence[Cell], lost: Lost, step: int, known: dict[str, CellCost]
) -> list[dict[str, Any]]:
    """Store a record of status `failed` for those of one trunk's cells that were not finished.

    step: the last one that any attempt told of. `scaling run` trains such cells again when it is
    called again.
    """
    times = "once" if lost.attempts == 1 else f"{lost.attempts} times"
    told = f"{lost.told}, {times}; last seen at step {step}"
    findings = [] if lost.label == "error" else [Finding(lost.label, step, "", told).to_dict()]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    records = []
    for cell in cells:
        if store.record(cell.id) is not None:
            continue
        record = {
            **cell.facts(),
            **dict.fromkeys(("loss", "loss_se", "train_loss"), float("nan")),
            "status": "failed",
            "reason": told if lost.label == "error" else f"{lost.label}: {told}",
            "findings": findings,
            "steps": cell.steps,
            f"batch_{cell.unit}s": cell.batch,
            # What the attempts cost is not known: they took it with them.
            "flops_spent": 0,
            "seconds": 0.0,
            "predicted_seconds": known[cell.id].seconds,
            "predicted_memory_bytes": known[cell.id].memory_bytes,
            "started_at": now,
            "trained_at": now,
            "data": cell.data,
        }
        columns = ["step", f"{cell.unit}s", "loss", "grad_norm", "learning_rate"]
        store.save(cell, record, pd.DataFrame({name: [] for name in columns}, dtype="float32"))
        records.append(record)
    return records
