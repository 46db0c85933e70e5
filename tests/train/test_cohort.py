"""Members of a cohort train as they would alone, whatever befalls the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from scaling.data import Corpus
from scaling.grid import CHUNK_STEPS, Cell, Devices
from scaling.sweep.cohorts import LARGEST, cohorts
from scaling.train import cohort, step
from scaling.train.cohort import train_cohort
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome

# Products over members are computed in another order.
FLOAT_ERROR = 2e-5


@pytest.fixture
def members(cell: Cell) -> list[Cell]:
    """Three runs of one shape: other seeds and rates."""
    short = replace(cell, steps=3 * CHUNK_STEPS)
    rates = (0.004, 0.012, 0.008)
    return [
        replace(
            short, seed=seed, recipe=cell.recipe.model_copy(update={"learning_rate": rates[seed]})
        )
        for seed in range(3)
    ]


def together(groups: list[list[Cell]], corpus: Corpus, folder: Path) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    train_cohort(
        groups,
        corpus,
        checkpoint_path=lambda cell: folder / f"{cell.trunk}.npz",
        on_cell=lambda cell, outcome: found.update({cell.id: outcome}),
        on_chunk=lambda cell: lambda chunk, findings, log: None,
    )
    return found


def alone(cells: list[Cell], corpus: Corpus, folder: Path) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    train_trunk(
        cells,
        corpus,
        checkpoint_path=folder / "alone.npz",
        on_cell=lambda cell, outcome: found.update({cell.id: outcome}),
    )
    return found


def test_members_train_as_they_would_alone(
    members: list[Cell], corpus: Corpus, tmp_path: Path
) -> None:
    longer = replace(members[1], steps=4 * CHUNK_STEPS)  # one goes on when the others have ended
    groups = [[members[0]], [members[1], longer], [members[2]]]
    found = together(groups, corpus, tmp_path)
    for cells in groups:
        for run, single in alone(cells, corpus, tmp_path).items():
            assert found[run].status == single.status == "finished"
            np.testing.assert_allclose(found[run].curve, single.curve, rtol=FLOAT_ERROR)
            assert found[run].loss == pytest.approx(single.loss, rel=FLOAT_ERROR)
    assert len(found) == 4


def test_a_member_of_nans_harms_no_other(
    members: list[Cell], corpus: Corpus, tmp_path: Path
) -> None:
    sound = together([[cell] for cell in members], corpus, tmp_path)
    wild = members[1].recipe.model_copy(update={"learning_rate": 1e30})
    ill = replace(members[1], recipe=wild)
    found = together([[members[0]], [ill], [members[2]]], corpus, tmp_path)
    assert found[ill.id].status == "diverged"
    assert found[ill.id].log.skipped  # it had numbers that are none
    for cell in (members[0], members[2]):  # bit for bit
        np.testing.assert_array_equal(found[cell.id].curve, sound[cell.id].curve)
        assert found[cell.id].loss == sound[cell.id].loss


def test_a_cohort_that_finds_no_room_is_halved(
    members: list[Cell], corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    class Small(cohort.Together):
        def _vmapped(self, states: list[Any], arrays: Any, steps: list[Any]) -> list[Any]:
            sizes.append(len(states))
            if len(states) > 2:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
            return super()._vmapped(states, arrays, steps)

    monkeypatch.setattr(cohort, "Together", Small)
    found = together([[cell] for cell in members], corpus, tmp_path)
    assert [found[cell.id].status for cell in members] == ["finished"] * 3
    assert sizes == [3, 2]  # and one alone


def test_what_is_not_alike_is_not_trained_together(members: list[Cell], cell: Cell) -> None:
    wider = replace(members[0], recipe=cell.recipe.model_copy(update={"beta2": 0.9}))
    longer = replace(members[0], seed=7, steps=4 * CHUNK_STEPS)
    groups = [[members[0]], [wider], [members[1]], [longer], [members[2]]]
    assert cohorts(groups) == [
        [[members[0]], [members[1]], [members[2]]], [[wider]], [[longer]]
    ]  # fmt: skip
    spread = [[replace(member, devices=Devices(data=2))] for member in members]
    assert cohorts(spread) == [[group] for group in spread]
    many = [[replace(members[0], seed=seed)] for seed in range(LARGEST + 1)]
    assert [len(cohort) for cohort in cohorts(many)] == [LARGEST, 1]


def test_a_program_of_its_own_is_left_alone(cell: Cell) -> None:
    shared = cohort.Cohort(2)
    mine = shared.program(cell.family, cell.shape, cell.recipe, streamed=False)
    plain = step.Program(cell.family, cell.shape, cell.recipe)
    assert mine.pieces == plain.pieces
    assert mine.blocks.names == plain.blocks.names
