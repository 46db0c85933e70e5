"""A small folder of text that is split, tokenised and cached in well under a second."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from batteries.folders import write_folder
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


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ninety training images and thirty held out, in classes; not to be changed."""
    pytest.importorskip("PIL", reason="Pillow is missing: pip install 'scaling-laws[train]'")
    root = tmp_path_factory.mktemp("pictures")
    write_folder(root)
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return shutil.copytree(original, tmp_path / "pictures")
