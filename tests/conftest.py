"""Fixtures for all tests; this file also puts `tests/` on the path, for `batteries`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batteries.stores import PLACES, fresh, make_bucket, s3_environment, s3_server
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared" / "data"
# Files that take a minute or more: begun last, one of them would keep the other worker waiting.
LONGEST = (
    "sweep/test_faults.py",
    "test_cli_vision.py",
    "test_cli_study.py",
    "families/test_families.py",
    "train/test_mesh.py",
    "families/test_memory.py",
)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """A file's tests run in one worker: what they share, a trained study say, is made once."""
    config.option.loadscopereorder = False  # by number of tests, which says little of their time
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: longest.get(item.path, len(longest)))


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
