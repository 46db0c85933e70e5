"""Runs of Weights & Biases' server, asked for by its own package: `wandb:entity/project[/run]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scaling.data.extras import needed
from scaling.errors import InputError
from scaling.importers.contract import Ended, LoggedRun
from scaling.importers.history import History
from scaling.importers.json_numbers import parted
from scaling.importers.nested import flat
from scaling.importers.wandb_curves import CLOCK, plain_values

PREFIX = "wandb:"
PAGE = 1000  # rows of a history, asked for at a time
_ENDED: dict[str, Ended] = {
    "finished": "finished", "running": "running", "pending": "running", "crashed": "crashed",
    "failed": "crashed", "killed": "crashed", "preempted": "crashed", "preempting": "running",
}  # fmt: skip


def read_server(source: str) -> Iterator[LoggedRun]:
    """The runs of a project, oldest first, or one; all rows of each, none sampled."""
    path = source.removeprefix(PREFIX).strip("/")
    if path.count("/") not in (1, 2) or not all(path.split("/")):
        raise InputError(f"{source}: give {PREFIX}entity/project or {PREFIX}entity/project/run")
    # Nothing goes out that nobody asked for.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb = needed("wandb", source, "trackers")
    if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
        raise InputError(
            f"{source}: W&B's server asks for a key: set WANDB_API_KEY or run `wandb login`; runs "
            "on this machine need none (give the folder wandb/)"
        )
    errors = (wandb.errors.Error, ValueError, OSError)
    try:
        api = wandb.Api(timeout=60)
        runs = [api.run(path)] if path.count("/") == 2 else api.runs(path, lazy=False)
        nothing = True
        for run in runs:
            nothing = False
            yield _run(run, source)
    except errors as error:
        raise InputError(f"{source}: W&B's server: {_first_line(error)}") from None
    if nothing:
        raise InputError(f"{source}: a project without runs")


def _run(run: Any, source: str) -> LoggedRun:
    history = History()
    for row in run.scan_history(page_size=PAGE):
        numbers, _ = parted(plain_values({name: row[name] for name in row.keys() - CLOCK}))
        history.add(numbers)
    return LoggedRun(
        id=run.id,
        origin=f"{PREFIX}{'/'.join(run.path)}",
        name=run.name,
        config=flat(run.config),
        history=history.arrays(),
        final=plain_values(run.summary_metrics),
        ended=_ENDED.get(run.state, "unstated"),
        started=datetime.fromisoformat(run.created_at).timestamp(),
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
