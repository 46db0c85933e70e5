"""Fixtures for all tests; this file also puts `tests/` on the path, for `batteries`."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published tables beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("the published tables are not here: put them in ../shared/data")
    return SHARED
