"""Trackio: its database on this machine, for `trackio show` and `trackio sync`.

It is written by the functions that Trackio's own imports write by: its `init` keeps what fails to
itself, and measures the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scaling.data.extras import needed
from scaling.grid import Section
from scaling.sweep.trackers.contract import End, Point, Run

NAME = NEEDS = "trackio"


class Settings(Section):
    """project: by default the study's name. Where the database lies is said by the variable
    TRACKIO_DIR."""

    project: str | None = None


class TrackioRun:
    """Rows are numbered by cell and step, so that Trackio drops what comes twice."""

    def __init__(self, project: str, run: Run) -> None:
        self.project, self.run = project, run
        self.fragments = _part("fragments").FragmentWriter()
        self.config: dict[str, Any] | None = {
            **run.config,
            "_Group": run.study,
            "_Created": _now(),
        }
        self.last = 0

    def log(self, points: Sequence[Point]) -> None:
        for step, _ in points:
            self.last = max(self.last, step)
        self._write([(step, dict(values), _kind(values)) for step, values in points])

    def end(self, how: End, summary: Mapping[str, float | str]) -> None:
        if summary:
            final = {f"final/{name}": value for name, value in summary.items()}
            self._write([(self.last, final, str(summary.get("status", how)))])

    def _write(self, rows: Sequence[tuple[int, dict[str, Any], str]]) -> None:
        ids = [f"{self.run.id}-{step}-{what}" for step, _, what in rows]
        if _part("utils").get_storage_mode() == "jsonl":  # on a network's file system
            self._write_fragments(rows, ids)
        else:
            _storage().bulk_log(
                project=self.project,
                run=self.run.name,
                run_id=self.run.id,
                metrics_list=[values for _, values, _ in rows],
                steps=[step for step, _, _ in rows],
                log_ids=ids,
                config=self.config,
            )
        self.config = None  # it is told once

    def _write_fragments(
        self, rows: Sequence[tuple[int, dict[str, Any], str]], ids: list[str]
    ) -> None:
        common = {"project": self.project, "run": self.run.name, "run_id": self.run.id}
        self.fragments.write_local(
            [
                _part("fragments").metric_record(
                    {**common, "metrics": values, "step": step, "timestamp": _now(),
                     "log_id": log_id, "config": self.config}
                )
                for (step, values, _), log_id in zip(rows, ids, strict=True)
            ]
        )  # fmt: skip


def begin(settings: Settings, run: Run) -> TrackioRun:
    project = settings.project or run.study
    _storage().delete_run(project, run.name, run_id=run.id)
    return TrackioRun(project, run)


def _kind(values: Mapping[str, float]) -> str:
    return "reading" if "held_out" in values else "chunk"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _storage() -> Any:
    return _part("sqlite_storage").SQLiteStorage


def _part(name: str) -> Any:
    return needed(f"trackio.{name}", "tracker trackio", "trackers")
