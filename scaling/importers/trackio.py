"""Trackio: its databases on this machine, one a project, read without its package."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from scaling.errors import InputError
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.folders import NEAR, below
from scaling.importers.history import History
from scaling.importers.json_numbers import parted
from scaling.importers.nested import flat
from scaling.importers.sqlite import columns, database, has_tables, is_database
from scaling.importers.tracked_names import NAMES

NAME = "trackio"
ABOUT = "Trackio: its databases on this machine, one a project"
EXAMPLE = "~/.cache/huggingface/trackio/"
USUAL = NAMES


def recognises(source: str) -> bool:
    return any(_is_trackio(file) for file in below(source, _fits, NEAR))


def read(source: str) -> Iterator[LoggedRun]:
    expanded = str(Path(source).expanduser())
    files = [file for file in below(expanded, _fits) if is_database(file)]
    if not files:
        raise InputError(
            f"{source}: no database of Trackio's (PROJECT.db); they lie in the folder that "
            "TRACKIO_DIR names, by default ~/.cache/huggingface/trackio"
        )
    found = False
    for file in files:
        with database(file) as opened:
            for run in _runs(opened, file):
                found = True
                yield run
    if not found:
        raise InputError(f"{source}: Trackio's databases there hold no run")


def _fits(name: str) -> bool:
    return name.endswith(".db")


def _is_trackio(file: Path) -> bool:
    return has_tables(file, "metrics", "configs")


def _runs(opened: sqlite3.Connection, file: Path) -> Iterator[LoggedRun]:
    # Older versions know a run by its name alone.
    key = "run_id" if "run_id" in columns(opened, "metrics") else "run_name"
    configs = dict(opened.execute(f"SELECT {key}, config FROM configs"))
    heads = opened.execute(
        f"SELECT {key}, max(run_name), min(timestamp) FROM metrics GROUP BY {key} ORDER BY min(id)"
    ).fetchall()
    logged = {run for run, _, _ in heads}
    heads += [(run, run, None) for run in configs if run not in logged]
    for run, name, started in heads:
        history, final = History(), dict[str, Scalar]()
        rows = opened.execute(
            f"SELECT step, metrics FROM metrics WHERE {key} = ? ORDER BY id", (run,)
        )
        for step, values in rows:
            numbers, texts = parted(flat(json.loads(values)))
            history.add({"step": step, **numbers})
            final |= texts
        yield LoggedRun(
            id=str(run),
            origin=str(file),
            name=str(name),
            config=_config(configs.get(run)),
            history=history.arrays(),
            final=final,
            started=datetime.fromisoformat(started).timestamp() if started else None,
        )


def _config(stored: Any) -> dict[str, Scalar]:
    """What was given to trackio.init; what it adds itself begins with `_`."""
    return flat(json.loads(stored)) if stored else {}
