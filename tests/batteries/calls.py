"""Calls that tell of the process that makes them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from scaling.train import stopping


def variables(*names: str) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


def span(seconds: float) -> tuple[float, float]:
    """When it began and ended."""
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def count(folder: Path) -> list[int]:
    """Work in steps of 20 ms, until there is a file `enough` (or for ten minutes), that is asked to
    stop as training is and goes on from where it was; at which step each start began."""
    began = folder / "began"
    done = folder / "done"
    step = int(done.read_text()) if done.exists() else 0
    with began.open("a") as starts:
        starts.write(f"{step}\n")
    until = time.monotonic() + 600
    while not (folder / "enough").exists() and time.monotonic() < until:
        if why := stopping.asked():
            done.write_text(str(step))
            raise stopping.Stopped(why, True)
        time.sleep(0.02)
        step += 1
    return [int(line) for line in began.read_text().split()]
