"""Tables that the tests of forecasts share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from batteries.profiles import isoflop_table

from scaling.table import write_table


@pytest.fixture(scope="session")
def profiles() -> pd.DataFrame:
    return isoflop_table()


@pytest.fixture(scope="session")
def profiles_file(tmp_path_factory: pytest.TempPathFactory, profiles: pd.DataFrame) -> Path:
    path = tmp_path_factory.mktemp("rollout") / "profiles.csv"
    write_table(profiles, path)
    return path
