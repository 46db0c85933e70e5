"""Runs that every importer is tried on, and by whom each source is written: the real library.

An importer joins by a line in `WRITERS` of `batteries.writers`: a function `write(folder, runs)`
that stores the runs with the tool's own library and returns the source as one gives it to
`scaling import`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

NAN = math.nan
# A GPT-2-like shape in nanoGPT's words: BODY parameters in blocks, 4,352 in tables.
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 32, "vocab_size": 128, "block_size": 8, "bias": False}
BODY = 24_736
BATCH_TOKENS = 8192


@dataclass(frozen=True)
class MadeRun:
    """A run to be logged. points: (step, training loss, held-out loss or NaN where none was taken)
    in the order in which they are logged, the step counted from 1; `tokens` of one is
    step x BATCH_TOKENS. Two of one name, one after the other: the second took the first up again.
    """

    name: str
    points: tuple[tuple[int, float, float], ...]
    config: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    finished: bool = True

    @property
    def held_out(self) -> dict[int, float]:
        return {step: loss for step, _, loss in self.points if not math.isnan(loss)}


@dataclass(frozen=True)
class Writer:
    """How an importer's sources are made. needs: modules without which its test skips; digits:
    after the point, that the tool keeps of a loss; cannot: what its files can't hold, of `names`
    (the run's), `restarts`, `nan`, `config`, `several` (runs in one source); damaged: the file
    within the source that is cut short; by default the largest one.
    """

    write: Callable[[Path, Sequence[MadeRun]], str]
    needs: tuple[str, ...] = ()
    digits: int = 6
    cannot: frozenset[str] = frozenset()
    damaged: Callable[[str], Path] | None = None

    def written(self, folder: Path, runs: Sequence[MadeRun]) -> str:
        """The source, or a skip where a library is not installed."""
        if missing := [name for name in self.needs if find_spec(name) is None]:
            pytest.skip(f"written with {', '.join(missing)}: pip install 'scaling-laws[dev]'")
        folder.mkdir(parents=True, exist_ok=True)
        return self.write(folder, runs)


def made(name: str = "a", steps: int = 40, loss: float = 3.0, seed: int = 0) -> MadeRun:
    """A run that logs every 5 steps and is held against held-out data every 10."""
    points = tuple(
        (step, loss + 4 / step, loss + 5 / step if step % 10 == 0 else NAN)
        for step in range(5, steps + 1, 5)
    )
    return MadeRun(name, points, {**SHAPE, "seed": seed, "learning_rate": 0.001})
