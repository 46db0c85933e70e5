"""Files below a folder, by their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

NEAR = 3  # folders down: as far as one looks to tell what a source is


def below(source: str, fits: Callable[[str], bool], depth: int | None = None) -> Iterator[Path]:
    """A file itself, or all below a folder whose names fit, sorted folder by folder; links are not
    followed, so that `latest-run` counts no run twice."""
    top = Path(source)
    if top.is_file():
        if fits(top.name):
            yield top
        return
    for folder, folders, files in os.walk(top):
        folders.sort()
        if depth is not None and len(Path(folder).relative_to(top).parts) >= depth:
            folders.clear()
        yield from (Path(folder, name) for name in sorted(files) if fits(name))
