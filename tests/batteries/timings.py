"""Shapes as if they had been timed here before: a test of something else trains at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaling.planned import plan_study
from scaling.train import calibrate

MADE_UP = {"step": 1e-3, "evaluation": 1e-2, "start": 0.1}


def made_up(grid: Path, cache: Path) -> None:
    """Put made-up seconds of all shapes of a grid into a cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALING_CACHE", str(cache))
        cells = plan_study(grid, measure=False).cells
        calibrate.remember({cell.timing_key: MADE_UP for cell in cells})
