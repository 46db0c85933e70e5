"""How cells that have a record fared: what finished, what failed, what was found on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STATUSES = ("finished", "stopped", "recovered", "diverged", "failed")
WELL = ("finished", "stopped")  # as planned, early stopping included
# Of a cell that is not well, beside its findings.
_FACTS = ("run", "role", "family", "N", "D", "seed", "status", "reason")
_DONE = ("skipped_steps", "rewinds")  # what a run did to survive


@dataclass(frozen=True)
class Health:
    """counts: cells by status; the others, planned and without a record, are `missing`. ill: cells
    that are not well, or of which something was found: facts and `findings`."""

    planned: int
    counts: Mapping[str, int]
    missing: int
    ill: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        told = [f"{count} {status}" for status, count in self.counts.items() if count]
        told += [f"{self.missing} missing"] * (self.missing > 0)
        cells = f"{self.planned} cell{'s' * (self.planned != 1)}"
        return f"{cells}: {', '.join(told)}" if told else cells

    def to_dict(self) -> dict[str, Any]:
        counts = {**self.counts, "missing": self.missing}
        return {"planned": self.planned, "cells": counts, "ill": list(self.ill)}


def of_records(records: Sequence[Mapping[str, Any]], planned: Iterable[str] = ()) -> Health:
    """The health of cells that have a record, and the number of those that have none."""
    counts = Counter(str(record["status"]) for record in records)
    there = {record["run"] for record in records}
    missing = len(set(planned) - there)
    ill = [told(r) for r in records if r["status"] not in WELL or r.get("findings")]
    known = {status: counts.pop(status, 0) for status in STATUSES}
    return Health(len(there) + missing, known | counts, missing, tuple(ill))


def line(finding: Mapping[str, Any]) -> str:
    """A stored finding as a line: `spike at step 301, attention_2: ...`."""
    block = f", {finding['block']}" if finding.get("block") else ""
    return f"{finding['label']} at step {finding['step']:,}{block}: {finding['told']}"


def told(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of a cell that is not well, or of which something was found: what is told of it."""
    facts = {name: record[name] for name in _FACTS if name in record}
    facts |= {name: record[name] for name in _DONE if record.get(name)}
    return {**facts, "findings": list(record.get("findings") or [])}
