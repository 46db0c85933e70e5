"""A run that is stopped, however often and wherever, ends as the undisturbed one: bit for bit."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.data import Corpus
from scaling.grid import CHUNK_STEPS, Cell, Recovery
from scaling.sweep.planning.plan import costs
from scaling.train import distributed, legs, schedule, stopping
from scaling.train.cohort import train_cohort
from scaling.train.engine import train_trunk
from scaling.train.kept import Kept
from scaling.train.outcome import Outcome
from scaling.train.step import Program


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    stopping.clear()
    yield
    stopping.clear()


@pytest.fixture
def lengths(cell: Cell) -> list[Cell]:
    """Two cells of one trunk, each with a cooldown of five chunks or more."""
    slow = cell.recipe.model_copy(update={"cooldown": 0.6})
    return [replace(cell, recipe=slow, steps=n * CHUNK_STEPS) for n in (9, 12)]


class Runs:
    """Trains trunks of programs that are made once, and remembers what came out, by length."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.kept = corpus, Kept()

    def train(self, cells: Sequence[Cell], path: Path, **told: Any) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        train_trunk(
            cells,
            self.corpus,
            checkpoint_path=path,
            make_program=self.kept.program,
            make_feed=self.kept.feed,
            **{"on_cell": lambda cell, outcome: outcomes.update({cell.steps: outcome}), **told},
        )
        return outcomes


@pytest.fixture(scope="module")
def runs(corpus: Corpus) -> Runs:
    return Runs(corpus)


class Starts:
    """Trains some cells in as many starts as it takes, each stopped after `chunks` chunks."""

    def __init__(self, runs: Runs, cells: Sequence[Cell], path: Path, chunks: int) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.count, self.seconds, self.longest = 0, 0.0, 0.0
        gc.collect()
        gc.disable()  # one collection may take longer than a start
        while left := [cell for cell in cells if cell.steps not in self.outcomes]:
            self.count, self.seen, self.chunks = self.count + 1, 0, chunks
            began = time.perf_counter()
            with suppress(stopping.Stopped):
                runs.train(left, path, on_cell=self.on_cell, on_chunk=self.on_chunk)
            took = time.perf_counter() - began
            self.seconds, self.longest = self.seconds + took, max(self.longest, took)
            stopping.clear()
        gc.enable()

    def on_cell(self, cell: Cell, outcome: Outcome) -> None:
        self.outcomes[cell.steps] = outcome

    def on_chunk(self, *_: Any) -> None:
        self.seen += 1
        if self.seen == self.chunks:
            stopping.ask("the time is up")


def assert_same(found: dict[int, Outcome], expected: dict[int, Outcome]) -> None:
    assert found.keys() == expected.keys()
    for steps, outcome in expected.items():
        other = found[steps]
        np.testing.assert_equal(  # NaN is NaN
            [other.loss, other.train_loss], [outcome.loss, outcome.train_loss]
        )
        assert (other.status, other.reason) == (outcome.status, outcome.reason)
        assert other.log.findings == outcome.log.findings
        np.testing.assert_array_equal(other.curve, outcome.curve)


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_trunk_and_cooldowns_end_over_several_starts(
    lengths: list[Cell], runs: Runs, tmp_path: Path, chunks: int
) -> None:
    starts = Starts(runs, lengths, tmp_path / "a.npz", chunks)
    # At most one more chunk was on its way than was read.
    own_steps = sum(cost.own_steps for cost in costs(lengths, {}).values())
    assert starts.count > own_steps // (CHUNK_STEPS * (chunks + 1))
    expected = runs.train(lengths, tmp_path / "b.npz")
    assert_same(starts.outcomes, expected)
    for steps, outcome in expected.items():
        assert starts.outcomes[steps].steps_trained == outcome.steps_trained
        assert starts.outcomes[steps].started_at <= outcome.started_at
    # The time of all starts is paid for, not of one alone; the writing of the checkpoint that ends
    # each is not, which may take long on a busy machine.
    paid = sum(outcome.seconds for outcome in starts.outcomes.values())
    assert starts.longest < paid <= starts.seconds
    assert not list(tmp_path.iterdir())


def test_the_last_cooldown_is_taken_up_without_its_trunk(
    lengths: list[Cell], runs: Runs, tmp_path: Path
) -> None:
    path, (_, cell) = tmp_path / "a.npz", lengths
    expected = runs.train([cell], tmp_path / "b.npz")
    cooled = cell.steps - cell.cool_steps

    def stop(chunk: Any, *_: Any) -> None:
        if chunk.first_step >= cooled + CHUNK_STEPS:
            stopping.ask("enough")

    with pytest.raises(stopping.Stopped, match="enough") as told:
        runs.train([cell], path, on_chunk=stop)
    assert told.value.saved
    assert [p.name for p in tmp_path.iterdir()] == ["a.branch.npz"]
    stopping.clear()
    seen: list[int] = []
    resumed = runs.train([cell], path, on_chunk=lambda chunk, *_: seen.append(chunk.first_step))
    assert min(seen) > cooled
    assert_same(resumed, expected)


def test_a_damaged_trunk_leaves_its_cooldown_and_is_paid_for_twice(
    lengths: list[Cell], runs: Runs, tmp_path: Path
) -> None:
    path, (short, _) = tmp_path / "a.npz", lengths
    cooled = short.steps - short.cool_steps

    def stop(chunk: Any, *_: Any) -> None:
        if chunk.first_step >= cooled:
            stopping.ask("enough")

    with pytest.raises(stopping.Stopped):
        runs.train(lengths, path, on_chunk=stop)
    assert path.with_name("a.branch.npz").exists()
    path.write_bytes(path.read_bytes()[:-100])
    stopping.clear()
    told: list[Path] = []
    outcomes = runs.train(lengths, path, on_damaged=lambda damaged, why: told.append(damaged))
    assert told == [path]
    expected = runs.train(lengths, tmp_path / "b.npz")
    assert_same(outcomes, expected)
    paid = outcomes[short.steps].steps_trained
    assert paid == expected[short.steps].steps_trained + cooled


def test_who_dies_evaluating_only_evaluates_again(
    lengths: list[Cell], runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (cell, _) = tmp_path / "a.npz", lengths
    expected = runs.train([cell], tmp_path / "b.npz")
    monkeypatch.setattr(legs, "WORTH_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Program, "evaluate", lambda *_: die())
        with pytest.raises(KeyboardInterrupt):
            runs.train([cell], path)
    seen: list[int] = []
    resumed = runs.train([cell], path, on_chunk=lambda chunk, *_: seen.append(chunk.first_step))
    assert not seen
    assert_same(resumed, expected)


def die() -> None:
    raise KeyboardInterrupt


def test_what_has_another_holder_is_let_go_of_unsaved(
    cell: Cell, runs: Runs, tmp_path: Path
) -> None:
    with pytest.raises(stopping.Stopped, match="taken over") as told:
        runs.train(
            [cell], tmp_path / "a.npz", on_chunk=lambda *_: stopping.ask("taken over", save=False)
        )
    assert not told.value.saved
    assert not list(tmp_path.iterdir())


def test_a_process_that_is_asked_before_it_starts_does_nothing(
    cell: Cell, runs: Runs, tmp_path: Path
) -> None:
    stopping.ask("too late")
    with pytest.raises(stopping.Stopped):
        runs.train([cell], tmp_path / "a.npz", on_chunk=lambda *_: pytest.fail("it trained"))


def test_a_rewound_run_recovers_the_same_over_several_starts(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noises = jnp.asarray(schedule.noise(cell.seed, 100, 8))
    usual = Program._gradients

    def gradients(self: Program, arrays: Any, state: Any, picks: Any, key: Any) -> Any:
        hit = (jax.random.key_data(key)[..., -1] == noises).any()
        loss, grads, *rest = usual(self, arrays, state, picks, key)
        return (jnp.where(hit, jnp.nan, loss),
                jax.tree.map(lambda g: jnp.where(hit, jnp.nan, g), grads), *rest)  # fmt: skip

    monkeypatch.setattr(Program, "_gradients", gradients)
    runs = Runs(corpus)
    recovery = Recovery(snapshot_every=64, skip_steps=4, rewinds=2, lower_rate=0.5)
    rescued = replace(cell, steps=12 * CHUNK_STEPS, recovery=recovery)
    expected = runs.train([rescued], tmp_path / "a.npz")
    (rewind,) = expected[rescued.steps].log.rewinds
    assert rewind.to == 64
    # One of the starts begins between the snapshot and what harms the run.
    starts = Starts(runs, [rescued], tmp_path / "b.npz", 1)
    assert_same(starts.outcomes, expected)
    assert starts.outcomes[rescued.steps].log.rewinds == [rewind]


def test_what_was_stopped_early_stands_for_the_same_rows(
    cell: Cell, runs: Runs, tmp_path: Path
) -> None:
    recipe = cell.recipe.model_copy(update={"evaluate_every": 32, "early_stop": 3})
    few = replace(cell, steps=100 * CHUNK_STEPS, D_unique=200, recipe=recipe)
    lengths = [few, replace(few, steps=120 * CHUNK_STEPS)]
    expected = runs.train(lengths, tmp_path / "a.npz")
    assert [o.status for o in expected.values()] == ["finished", "stopped"]
    kept: dict[int, Outcome] = {}

    def die(cell: Cell, outcome: Outcome) -> None:
        kept[cell.steps] = outcome
        raise KeyboardInterrupt

    for left in (lengths, lengths[1:]):
        with pytest.raises(KeyboardInterrupt):
            runs.train(left, tmp_path / "b.npz", on_cell=die)
    assert_same(kept, expected)
    # A process that dies before the first record is stored finds that cell unfinished.
    with pytest.raises(KeyboardInterrupt):
        runs.train(lengths, tmp_path / "c.npz", on_cell=die)
    assert_same(runs.train(lengths, tmp_path / "c.npz"), expected)


def test_members_of_a_cohort_stop_together_and_go_on(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    groups = [[replace(cell, seed=seed, steps=6 * CHUNK_STEPS)] for seed in range(2)]
    found: dict[str, Outcome] = {}
    seen = 0

    def on_chunk(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            stopping.ask("the time is up")

    def train() -> None:
        train_cohort(
            groups, corpus,
            checkpoint_path=lambda cell: tmp_path / f"{cell.trunk}.npz",
            on_cell=lambda cell, outcome: found.update({cell.id: outcome}),
            on_chunk=lambda cell: on_chunk,
        )  # fmt: skip

    with pytest.raises(stopping.Stopped):
        train()
    assert not found
    assert len(list(tmp_path.glob("*.npz"))) == 2
    stopping.clear()
    train()
    stopped, found = found, {}
    seen = 5
    train()
    for run, outcome in found.items():
        assert stopped[run].loss == outcome.loss
        np.testing.assert_array_equal(stopped[run].curve, outcome.curve)


def test_a_run_rests_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    steps = legs.Legs()
    steps.begin()
    assert steps.more()
    now = 59.0
    assert steps.more()
    assert steps.rest() == (False, None)
    now = 61.0
    assert not steps.more()
    assert steps.rest() == (True, None)
    steps.kept()
    steps.begin()
    assert steps.more()
    stopping.ask("enough")
    assert not steps.more()
    assert steps.rest() == (True, "enough")
    stopping.ask("taken over", save=False)
    assert steps.rest() == (False, "taken over")


def test_processes_rest_at_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each would do is made known to all: here the other one's word is written down."""
    others: list[int] = []
    monkeypatch.setattr(distributed, "joined", lambda: True)
    monkeypatch.setattr(
        distributed, "gathered", lambda mine: np.array([others, mine], np.int32)
    )  # fmt: skip
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    run = legs.Legs()

    def leg() -> int:
        run.begin()
        taken = 0
        while run.more():
            taken += 1
        return taken

    assert leg() == 1  # until a chunk's time is known
    now, others[:] = 1000.0, [False, False, True, 5]
    assert run.rest() == (False, None)  # its own clock says a minute is over: process 0's doesn't
    assert leg() == 5
    others[:] = [False, True, True, 7]
    assert run.rest() == (True, None)
    assert leg() == 7
    others[:] = [True, False, True, 7]
    told = "another process of this run was asked to stop"
    assert run.rest() == (True, told)
    assert stopping.asked() == told  # here, too: its process ends with the other
    stopping.clear()
    others[:] = [True, False, False, 7]
    assert run.rest() == (False, told)
    stopping.clear(process=False)
    assert stopping.asked() is None  # only that run was let go of
