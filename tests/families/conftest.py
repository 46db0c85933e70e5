"""Each program here runs once: it is compiled quickly, not well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from batteries.compiling import compiled_quickly


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    with compiled_quickly():
        yield
