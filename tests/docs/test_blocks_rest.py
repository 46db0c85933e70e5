"""The other half of the pages of test_blocks_pages.py: a file's tests share one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from batteries.blocks import UNITS, name_of, run_unit
from batteries.documents import Block


@pytest.mark.parametrize("unit", UNITS[1::2], ids=name_of)
def test_the_blocks_of_a_page_run_too(unit: list[Block], folder: Path) -> None:
    run_unit(unit)
