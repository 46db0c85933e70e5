"""A small folder of text that is split, tokenised and cached in well under a second."""

from __future__ import annotations

from pathlib import Path

import pytest
from batteries.sources import prose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty distinct files of about 3 kB."""
    place = tmp_path / "text"
    place.mkdir()
    for n in range(30):
        (place / f"{n:02d}.txt").write_text(prose(n), encoding="utf-8")
    return place


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
