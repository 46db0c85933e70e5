"""Fixtures for all tests; this file also puts `tests/` on the path, for `batteries`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batteries.stores import PLACES, fresh, make_bucket, s3_environment, s3_server

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published tables beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("the published tables are not here: put them in ../shared/data")
    return SHARED


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3 on this machine, for as long as tests run that ask for it; gives the environment that
    processes reach it by."""
    with s3_server(tmp_path_factory.mktemp("s3")) as address, pytest.MonkeyPatch.context() as patch:
        environment = s3_environment(address)
        for name, value in environment.items():
            patch.setenv(name, value)
        make_bucket()
        yield environment


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A folder that is not yet made: on the disk, in memory, in the S3."""
    if request.param == "s3":
        request.getfixturevalue("s3")
    return fresh(request.param, tmp_path)
