"""The account of an import: what was read, as what; what was changed, merged, left out, flagged."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from scaling.table import write_text

_PACKAGES = ("scaling-laws", "numpy", "pandas", "pyarrow")
SHOWN = 5  # of a kind, where an account is printed


@dataclass(frozen=True)
class Told:
    """Something about one run. reason: why it was left out, what was merged, what was odd."""

    run: str
    origin: str
    reason: str

    def __str__(self) -> str:
        return f"{self.run} ({self.origin}): {self.reason}"


@dataclass(frozen=True)
class Account:
    """All of it; `sources` say text, importer and SHA-256 of each."""

    command: str
    sources: Sequence[Mapping[str, Any]]
    columns: Mapping[str, Any]
    conventions: Mapping[str, str]
    loss: str
    runs: int
    rows: int
    statuses: Mapping[str, int]
    unused: Sequence[str] = ()
    conversions: Sequence[str] = ()
    found: Sequence[str] = ()
    merged: Sequence[Told] = ()
    left_out: Sequence[Told] = ()
    not_finished: Sequence[Told] = ()
    flagged: Sequence[Told] = ()
    notes: Sequence[Told] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: versions())

    def to_dict(self) -> dict[str, Any]:
        return {
            name: [vars(item) if isinstance(item, Told) else item for item in value]
            if isinstance(value, list | tuple)
            else value
            for name, value in vars(self).items()
        }

    def lines(self, most: int | None = SHOWN) -> list[str]:
        """As people read it; of each kind no more than `most`."""
        counted = ", ".join(f"{n} {status}" for status, n in self.statuses.items())
        out = [f"{self.runs} runs read, {self.rows} rows written ({counted}); loss: {self.loss}"]
        out.append("conventions: " + ", ".join(f"{k} {v}" for k, v in self.conventions.items()))
        for title, items in (
            ("converted", self.conversions),
            ("checked", self.found),
            ("merged", self.merged),
            ("left out", self.left_out),
            ("not finished, so that fits leave it out", self.not_finished),
            ("flagged", self.flagged),
            ("note", self.notes),
        ):
            shown = items if most is None else items[:most]
            out += [f"{title}: {item}" for item in shown]
            if len(items) > len(shown):
                out.append(f"{title}: {len(items) - len(shown)} more, in the account's file")
        return out

    def write(self, table: Path) -> tuple[Path, Path]:
        """Beside the table: NAME.import.json and NAME.import.txt."""
        data = table.with_suffix(".import.json")
        text = table.with_suffix(".import.txt")
        write_text(json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n", data)
        write_text(self._text(), text)
        return data, text

    def _text(self) -> str:
        out = ["What this table was made of, and how. To make it again:", "", f"    {self.command}"]
        out += ["", *(f"source: {s['source']}, read by {s['importer']}, SHA-256 {s['sha256']}"
                      for s in self.sources)]  # fmt: skip
        for name, column in self.columns.items():
            doubts = "".join(f"; {doubt}" for doubt in column["doubts"])
            out.append(f"column: {name} = {column['made_of']} ({column['why']}{doubts})")
        out += self.lines(None)
        if self.unused:
            out.append(f"not used: {', '.join(self.unused)}")
        out.append("made with " + ", ".join(f"{k} {v}" for k, v in self.versions.items()))
        return "\n".join(out) + "\n"


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a checkout
            found[name] = "not installed"
    return found
