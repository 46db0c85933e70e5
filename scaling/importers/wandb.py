"""Weights & Biases: what it keeps of a run on this machine, read without its program or account.

Offline runs and the local folders of online ones hold the same file, `run-ID.wandb`
(`wandb_file.py`). Runs of its server are asked for by its own package (`wandb_api.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from scaling.errors import InputError
from scaling.importers.contract import LoggedRun
from scaling.importers.folders import NEAR, below
from scaling.importers.tracked_names import NAMES
from scaling.importers.wandb_api import PREFIX, read_server
from scaling.importers.wandb_file import is_log, read_file

NAME = "wandb"
ABOUT = "Weights & Biases: run folders, offline or not; wandb:entity/project of its server"
EXAMPLE = "wandb/"
USUAL = NAMES


def recognises(source: str) -> bool:
    return source.startswith(PREFIX) or any(below(source, is_log, NEAR))


def read(source: str) -> Iterator[LoggedRun]:
    if source.startswith(PREFIX):
        yield from read_server(source)
        return
    files = sorted(below(source, is_log), key=lambda file: (file.parent.name, file.name))
    if not files:
        raise InputError(
            f"{source}: no file run-ID.wandb, in which W&B keeps a run's history; give the folder "
            "that such runs lie in (wandb/), one run's (run-DATE-ID, offline-run-DATE-ID), or "
            f"{PREFIX}entity/project for runs of its server"
        )
    empty = True
    for file in files:
        run = read_file(file)
        empty = empty and not run.history and not run.final
        yield run
    if empty:
        raise InputError(
            f"{source}: W&B runs without a history or a summary ({len(files)} files): nothing was "
            "logged, or nothing of it can be read"
        )
