"""The folder in which the documents' blocks are run."""

from __future__ import annotations

from pathlib import Path

import pytest
from batteries.prepared import fill, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what documents name; it is read and never written to."""
    home = tmp_path_factory.mktemp("prepared")
    prepare(home)
    return home


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, which this process is in."""
    fill(tmp_path, prepared)
    monkeypatch.chdir(tmp_path)
    return tmp_path
