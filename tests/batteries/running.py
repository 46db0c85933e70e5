"""A made-up study while it runs: planned, then trained cell by cell, with trunks at work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from batteries.studies import record, store

from scaling.sweep.storing import planned
from scaling.sweep.storing.claims import _me
from scaling.sweep.storing.records import write_json

GRID = """
name = "made-up"
[[pilots]]
widths = [8, 16, 32]
tokens = [65536]
[[targets]]
widths = [64]
tokens = [1048576]
[proof]
law = "chinchilla_tied"
draws = 40
fixed = {{ E = [{E}] }}
"""
STEPS = 1000
BEGAN = datetime(2031, 1, 1, tzinfo=UTC)


class Running:
    """32 pilots of 4 sizes, 4 lengths and 2 seeds, and a target; none is trained yet.

    targets: whether there is one.
    """

    def __init__(self, folder: Path, *, targets: bool = True) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.rows = [
            record(f"{i:02d}{j:02d}{seed}cell", N, D, seed, "pilot")
            for j, D in enumerate((5e5, 1e6, 2e6, 4e6))
            for i, N in enumerate((1e4, 2e4, 5e4, 1e5))
            for seed in (0, 1)
        ]
        if targets:
            self.rows.append(record("target0cell", 3e5, 1.6e7, 2, "target"))
        (folder / "grid.toml").write_text(GRID.format(E=0.9), encoding="utf-8")
        planned.save(folder, pa.table({name: self._column(name) for name in planned.COLUMNS}))
        write_json(
            folder / "study.json", {"name": "made-up", "cells": [r["run"] for r in self.rows]}
        )
        self._left = iter(self.rows)
        self._done = 0

    def finish(self, count: int, **changes: Any) -> list[dict[str, Any]]:
        """Train the next cells, a minute each."""
        return [self._store(row, changes) for row in islice(self._left, count)]

    def reach(self) -> None:
        """Train the target."""
        self._store(self.rows[-1], {})

    def claim(self, trunk: str, step: int, loss: float, *, alive: bool = True) -> None:
        """A worker at work, or one that is gone."""
        holder = _me() if alive else {**_me(), "pid": 2**22 + 1}
        told = {
            "step": step,
            "loss": loss,
            "steps_per_second": 50.0,
            "holder": holder,
            "beat": step,
        }
        (self.folder / "claims").mkdir(exist_ok=True)
        (self.folder / "claims" / f"{trunk}.1").write_text(json.dumps({**told, "holder": holder}))

    def release(self) -> None:
        for claim in (self.folder / "claims").glob("*"):
            claim.unlink()

    def _store(self, row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        at = BEGAN + timedelta(minutes=self._done)
        self._done += 1
        row = {**row, "trained_at": at.isoformat(), "started_at": BEGAN.isoformat(), **changes}
        store(self.folder, row)
        return row

    def _column(self, name: str) -> list[Any]:
        more = {"steps": STEPS, "devices": 1, "seconds": 20.0, "flops": 1.0}
        return [
            row.get(name, more.get(name, 1)) if name != "seconds" else 20.0 for row in self.rows
        ]


def files_of(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """All files with their times and bytes: what watching must leave as it is."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield str(path.relative_to(folder)), path.stat().st_mtime_ns, path.read_bytes()
