"""Every fenced block of README and docs/ works as it stands: a page's blocks, in order, in a folder
where what they name is there (batteries/prepared.py). What can't be run here has a stand-in, listed
with its reason (batteries/standins.py). Half of the pages; test_blocks_rest.py has the others.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from batteries.blocks import COMMANDS, UNITS, name_of, run_unit
from batteries.documents import ROOT, Block
from batteries.standins import STANDINS, Standin


@pytest.mark.parametrize("unit", UNITS[::2], ids=name_of)
def test_the_blocks_of_a_page_run(unit: list[Block], folder: Path) -> None:
    run_unit(unit)


@pytest.mark.parametrize("one", STANDINS, ids=lambda one: one.pattern)
def test_a_standin_is_for_something_and_says_what_runs_instead(one: Standin) -> None:
    lines = [" ".join(shlex.split(command)) for command in COMMANDS]
    assert any(one.matches(line) for line in lines), "no document has such a command any more"
    assert one.why
    assert (one.instead is None) == (one.proof is not None)
    assert one.proof is None or (ROOT / one.proof).exists()
