"""TensorBoard: event files, read without TensorFlow or TensorBoard; a folder of them is a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scaling.errors import InputError
from scaling.importers.contract import LoggedRun
from scaling.importers.folders import NEAR, below
from scaling.importers.tensorboard_run import CLOCK, read_run
from scaling.importers.tracked_names import NAMES

NAME = "tensorboard"
ABOUT = "TensorBoard: event files; a folder of them is a run"
EXAMPLE = "logs/"
USUAL = NAMES
_STARTED = re.compile(r"tfevents\.(\d+)")
# PyTorch's add_hparams writes into a folder of its own below the run's, named by the moment.
_MOMENT = re.compile(r"\d{9,}\.\d+")


def recognises(source: str) -> bool:
    return any(below(source, _fits, NEAR))


def read(source: str) -> Iterator[LoggedRun]:
    folders: dict[Path, list[Path]] = {}
    for file in below(source, _fits):
        folders.setdefault(file.parent, []).append(file)
    if not folders:
        raise InputError(
            f"{source}: no event files of TensorBoard's (their names hold `tfevents`); give the "
            "folder that tensorboard --logdir would be given"
        )
    settings = _settings(folders)
    top = Path(source) if Path(source).is_dir() else Path(source).parent
    for folder in folders:
        if folder not in settings.values():
            run = _run(folder, folders[folder], top)
            if folder in settings:
                more = _run(settings[folder], folders[settings[folder]], top)
                last = {name: each[-1].item() for name, each in more.history.items()}
                final = {name: value for name, value in last.items() if name not in CLOCK}
                run = replace(run, config={**run.config, **more.config}, final=final)
            yield run


def _fits(name: str) -> bool:
    return "tfevents" in name


def _settings(folders: Mapping[Path, Sequence[Path]]) -> dict[Path, Path]:
    """By a run's folder the one below it that holds its settings alone."""
    found: dict[Path, list[Path]] = {}
    for folder in folders:
        if _MOMENT.fullmatch(folder.name) and folder.parent in folders:
            found.setdefault(folder.parent, []).append(folder)
    return {folder: only[0] for folder, only in found.items() if len(only) == 1}


def _run(folder: Path, files: Sequence[Path], top: Path) -> LoggedRun:
    inside = folder.relative_to(top).as_posix()
    name = folder.resolve().name if inside == "." else inside
    return read_run(name, str(folder), sorted(files, key=_when))


def _when(file: Path) -> tuple[int, str]:
    """Event files of a run follow each other by the moment in their names."""
    started = _STARTED.search(file.name)
    return (int(started[1]) if started else 0, file.name)
