"""A branch is the dedicated run, a resumed run the undisturbed one: bit for bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling.data import Corpus, load
from scaling.families.transformer import from_width
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.train.engine import Outcome, evaluation_windows, train_trunk
from scaling.train.schedule import rates


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("text")
    for i in range(12):
        rng = random.Random(i)
        words = [rng.choice(["loss", "falls", "as", "a", "power", "law"]) for _ in range(900)]
        (folder / f"{i}.txt").write_text(" ".join(words))
    return load(f"{folder}/*.txt", held_out=0.2, cache=folder / "cache")


@pytest.fixture
def cell(corpus: Corpus) -> Cell:
    return Cell(
        role="pilot",
        family="transformer",
        shape=from_width(8, vocab=corpus.vocab, context=16, depth=1),
        context=16,
        recipe=Recipe(batch_tokens=128, warmup_steps=4, base_width=8),
        steps=10 * CHUNK_STEPS,
        seed=3,
        data=corpus.fingerprint,
        D_unique=len(corpus.train),
        eval_tokens=2048,
    )


def train(cells: list[Cell], corpus: Corpus, path: Path) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    train_trunk(
        cells,
        corpus,
        checkpoint_path=path,
        on_cell=lambda cell, outcome: outcomes.update({cell.steps: outcome}),
    )
    return outcomes


def test_a_branch_equals_a_dedicated_run(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    short = replace(cell, steps=5 * CHUNK_STEPS)
    together = train([cell, short], corpus, tmp_path / "a.npz")
    apart = train([short], corpus, tmp_path / "b.npz") | train([cell], corpus, tmp_path / "c.npz")
    for steps, outcome in together.items():
        assert outcome.loss == apart[steps].loss
        np.testing.assert_array_equal(outcome.curve, apart[steps].curve)
        assert len(outcome.curve) == steps
    spent = sum(outcome.steps_trained for outcome in together.values())
    assert spent < cell.steps + short.steps
    assert not (tmp_path / "a.npz").exists()


def test_a_resumed_trunk_equals_an_undisturbed_one(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    short = replace(cell, steps=5 * CHUNK_STEPS)
    whole = train([short, cell], corpus, tmp_path / "whole.npz")
    path = tmp_path / "torn.npz"

    def stop(_: Cell, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_trunk([short, cell], corpus, checkpoint_path=path, on_cell=stop)
    assert path.exists()
    resumed = train([cell], corpus, path)[cell.steps]
    assert resumed.loss == whole[cell.steps].loss
    assert resumed.steps_trained == whole[cell.steps].steps_trained
    np.testing.assert_array_equal(resumed.curve, whole[cell.steps].curve)


def test_a_damaged_checkpoint_only_costs_time(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    assert train([cell], corpus, path)[cell.steps].status == "finished"


def test_training_learns_and_says_how_sure(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    outcome = train([cell], corpus, tmp_path / "a.npz")[cell.steps]
    assert outcome.loss < 0.8 * np.log(corpus.vocab)
    assert 0 < outcome.loss_se < 0.1
    assert outcome.curve[-1, 2] < 0.2 * outcome.curve[:, 2].max()  # cooled down


def test_divergence_is_a_status_with_a_reason(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    wild = replace(cell, recipe=cell.recipe.model_copy(update={"learning_rate": 1e4}))
    outcome = train([wild], corpus, tmp_path / "a.npz")[cell.steps]
    assert outcome.status == "diverged"
    assert "at step" in outcome.reason
    assert np.isnan(outcome.loss)


def test_the_trunk_rate_does_not_depend_on_the_budget() -> None:
    trunk = rates(0, 64, peak=0.1, warmup=8, cool_from=None, cool_steps=0)
    branch = rates(0, 64, peak=0.1, warmup=8, cool_from=48, cool_steps=16)
    np.testing.assert_array_equal(trunk[:48], branch[:48])
    assert trunk[:8].tolist() == sorted(trunk[:8].tolist())
    assert (np.diff(branch[48:]) < 0).all()
    assert branch[-1] > 0


def test_evaluation_reads_distinct_windows_of_the_whole_part() -> None:
    starts = evaluation_windows(100_000, 16, 32_000)
    assert starts.shape[1] == 64
    assert len(np.unique(starts)) == starts.size
    assert starts.max() > 95_000
