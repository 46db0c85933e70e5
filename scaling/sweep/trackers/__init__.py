"""Where runs are shown beside the store: one module a tracker, one contract (`contract.py`).

The folder is the registry: a module that declares `NAME`, `Settings`, `NEEDS` and `begin` is a
tracker. Other packages add theirs through the entry-point group `scaling.trackers`; an entry point
names such a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaling.data.registry import declared
from scaling.errors import InputError
from scaling.grid import Cell, canonical_json
from scaling.sweep.settings import checked, member
from scaling.sweep.trackers.contract import Kind
from scaling.sweep.trackers.tracking import Tracking

# By the name of each tracker, its options: what a grid's [trackers] says.
Specs = Mapping[str, Mapping[str, Any]]
# What has failed in this process is not tried again: each try may take its time.
_failed: set[tuple[str, str]] = set()
_SECRET = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)


@cache
def _registry() -> dict[str, Kind]:
    return declared(__name__, __path__, "scaling.trackers", "trackers")


def names() -> tuple[str, ...]:
    """The names of all trackers, sorted."""
    return tuple(sorted(_registry()))


def ready(specs: Specs, folder: Any) -> dict[str, dict[str, Any]]:
    """The options of each tracker, checked and complete, before anything is trained.

    folder: the study's; trackers that write files do it under `trackers/` there. Raises InputError
    for a name or an option that is unknown (with those that are valid), for options that look like
    secrets, and where the tracker's package is missing (with the extra that brings it).
    """
    complete = {}
    for name, options in specs.items():
        kind = member(_registry(), name, "tracker")
        where = f"tracker {name}"
        _refuse_secrets(where, options)
        settings = checked(kind.Settings, options, where)
        if find_spec(kind.NEEDS) is None:
            raise InputError(f"{where}: pip install 'scaling-laws[trackers]'")
        complete[name] = settings.model_dump()
        if "folder" in kind.Settings.model_fields:
            complete[name]["folder"] = str(_folder(where, settings.folder, folder, name))
    return complete


def follow(
    specs: Specs,
    study: str,
    cells: Sequence[Cell],
    warn: Callable[[str], None],
) -> Tracking:
    """Runs of `cells` in each tracker of `specs`, as `ready` made them; without any, nothing.

    warn: told of each tracker that fails; in this process it is switched off from then on.
    """
    keys = {name: (name, canonical_json(dict(options))) for name, options in specs.items()}
    boards = {}
    for name, options in specs.items():
        if keys[name] not in _failed:
            kind = member(_registry(), name, "tracker")
            boards[name] = (kind, checked(kind.Settings, options, f"tracker {name}"))

    def failed(name: str, told: str) -> None:
        _failed.add(keys[name])
        warn(told)

    return Tracking(boards, study, cells, failed)


def _refuse_secrets(where: str, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if _SECRET.search(key):
            raise InputError(
                f"{where}: {key}: credentials don't belong into a grid, which is stored and shown; "
                "give them to the tracker by its own environment variables"
            )
        if isinstance(value, str) and "@" in urlsplit(value).netloc:
            raise InputError(
                f"{where}: {key}: an address with a user in it is stored and shown with the grid; "
                "leave that out, and give it to the tracker by its own environment variables"
            )


def _folder(where: str, given: str | None, study: Any, name: str) -> Path:
    if given is not None:
        return Path(given).expanduser().absolute()
    if not isinstance(study, Path):
        raise InputError(
            f"{where} writes files on this machine, and the study lies at {study}: give it a "
            "folder of its own, an absolute path"
        )
    return (study / "trackers" / name).absolute()
