"""What a run survives, and how: faults injected into the real program, through the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.data import Corpus
from scaling.grid import CHUNK_STEPS, Cell, Recovery
from scaling.train import legs, schedule
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome
from scaling.train.step import Program
from scaling.train.trajectory import Trend

STEPS = 24 * CHUNK_STEPS


def train(cell: Cell, corpus: Corpus, path: Path) -> Outcome:
    outcomes: list[Outcome] = []
    train_trunk([cell], corpus, checkpoint_path=path, on_cell=lambda _, o: outcomes.append(o))
    (outcome,) = outcomes
    return outcome


def with_recovery(cell: Cell, **recovery: Any) -> Cell:
    return replace(cell, steps=STEPS, recovery=Recovery(snapshot_every=32, **recovery))


def faulty(monkeypatch: pytest.MonkeyPatch, seed: int, batches: range, fault: Any) -> None:
    """From now on, programs' losses on these batches (places in the order of data) are `fault` of
    what they would be. A batch is known by its noise."""
    noises = jnp.asarray(schedule.noise(seed, batches.start, len(batches)))
    usual: Callable[..., Any] = Program._gradients

    def gradients(self: Program, arrays: Any, state: Any, picks: Any, key: Any) -> Any:
        seen = jax.random.key_data(key)[..., -1]
        hit = (seen == noises).any()
        loss, grads, *rest = usual(self, arrays, state, picks, key)
        return (jnp.where(hit, fault(loss), loss),
                jax.tree.map(lambda g: jnp.where(hit, fault(g), g), grads), *rest)  # fmt: skip

    monkeypatch.setattr(Program, "_gradients", gradients)


def test_a_step_that_is_not_finite_is_not_taken(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = 5 * CHUNK_STEPS + 3
    faulty(monkeypatch, cell.seed, range(bad, bad + 2), lambda x: x * jnp.nan)
    outcome = train(with_recovery(cell), corpus, tmp_path / "a.npz")
    assert outcome.status == "finished"
    assert outcome.reason == "2 steps skipped: not finite"
    skipped = np.concatenate([chunk.skipped for chunk in outcome.chunks])
    assert np.flatnonzero(skipped).tolist() == [bad, bad + 1]
    assert [(f.label, f.step) for f in outcome.log.findings] == [("numerical", bad)]
    assert outcome.chunks[5].nonfinite[3] == len(outcome.blocks)


def test_more_such_steps_than_allowed_end_the_run(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, cell.seed, range(40, 45), lambda x: x * jnp.nan)
    outcome = train(with_recovery(cell, skip_steps=4), corpus, tmp_path / "a.npz")
    assert outcome.status == "diverged"
    assert "5 steps were not finite" in outcome.reason
    assert "4 may be skipped" in outcome.reason
    assert np.isnan(outcome.loss)
    assert outcome.steps_trained < STEPS


def test_a_rewound_run_passes_by_what_harmed_it(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, cell.seed, range(100, 108), lambda x: x * jnp.nan)
    rescued = with_recovery(cell, skip_steps=4, rewinds=1, lower_rate=0.5, reset_moments=True)
    outcome = train(rescued, corpus, tmp_path / "a.npz")
    assert outcome.status == "recovered"
    (rewind,) = outcome.log.rewinds
    assert rewind.to <= 100 < rewind.step
    assert "rewound from step" in outcome.reason
    assert outcome.log.passed >= rewind.step - rewind.to
    # The curve is of the steps that count: each once, none of the lost ones.
    first = [chunk.first_step for chunk in outcome.chunks]
    assert first == list(range(0, STEPS, CHUNK_STEPS))
    rates = outcome.curve[:, 2]
    again = first.index(rewind.to) * CHUNK_STEPS
    usual = schedule.rates(
        0, STEPS, peak=cell.recipe.learning_rate, warmup=cell.recipe.warmup_steps,
        cool_from=STEPS - rescued.cool_steps, cool_steps=rescued.cool_steps,
    )  # fmt: skip
    np.testing.assert_allclose(rates[:again], usual[:again], rtol=1e-6)
    np.testing.assert_allclose(rates[again:], usual[again:] / 2, rtol=1e-6)
    assert not np.concatenate([c.skipped for c in outcome.chunks]).any()
    assert outcome.loss < 0.9 * np.log(corpus.vocab)


def test_rewinds_are_bounded(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, cell.seed, range(100, 1000), lambda x: x * jnp.nan)
    outcome = train(with_recovery(cell, rewinds=3), corpus, tmp_path / "a.npz")
    assert outcome.status == "diverged"
    assert len(outcome.log.rewinds) == 3


def test_a_run_that_was_interrupted_recovers_the_same(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, cell.seed, range(100, 108), lambda x: x * jnp.nan)
    rescued = with_recovery(cell, skip_steps=4, rewinds=2)
    whole = train(rescued, corpus, tmp_path / "a.npz")

    def die(_: Cell, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_trunk([rescued], corpus, checkpoint_path=tmp_path / "b.npz", on_cell=die)
    resumed = train(rescued, corpus, tmp_path / "b.npz")
    assert resumed.loss == whole.loss
    assert resumed.reason == whole.reason
    np.testing.assert_array_equal(resumed.curve, whole.curve)


def test_a_checkpoint_in_mid_trunk_changes_no_bit(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(replace(cell, steps=STEPS), corpus, tmp_path / "a.npz")
    monkeypatch.setattr(legs, "REST_SECONDS", 0.0)  # a checkpoint after each chunk
    seen = 0

    def die(chunk: Any, findings: Any, log: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 7:
            raise KeyboardInterrupt

    path = tmp_path / "b.npz"
    longer = replace(cell, steps=STEPS)
    with pytest.raises(KeyboardInterrupt):
        train_trunk([longer], corpus, checkpoint_path=path, on_cell=lambda *_: None, on_chunk=die)
    assert path.exists()
    resumed = train(longer, corpus, path)
    assert resumed.loss == whole.loss
    assert resumed.steps_trained == whole.steps_trained
    np.testing.assert_array_equal(resumed.curve, whole.curve)


@pytest.mark.parametrize("times", [100, 1000])
def test_a_rate_far_too_high_is_named_and_lowered(
    cell: Cell, corpus: Corpus, tmp_path: Path, times: int
) -> None:
    wild = cell.recipe.model_copy(update={"learning_rate": times * cell.recipe.learning_rate})
    named = train(replace(with_recovery(cell), recipe=wild), corpus, tmp_path / "a.npz")
    assert {f.label for f in named.log.findings} & {"spike", "divergence"}
    assert named.status == ("diverged" if times == 1000 else "finished")
    rescue = with_recovery(cell, rewinds=6, lower_rate=0.1)
    rescued = train(replace(rescue, recipe=wild), corpus, tmp_path / "b.npz")
    assert rescued.status == "recovered"
    assert rescued.loss < 0.9 * np.log(corpus.vocab)
    assert named.status == "diverged" or rescued.loss < named.loss


# As a GPU says it, and a CPU.
REFUSALS = (
    "RESOURCE_EXHAUSTED: out of memory",
    "INTERNAL: Error dispatching computation: Out of memory allocating 1600000000 bytes.",
)


def out_of_memory(monkeypatch: pytest.MonkeyPatch, *, until: int) -> None:
    """From now on a chunk finds memory only where the batch is taken in `until` pieces or more."""
    usual, refusals = Program.__init__, itertools.cycle(REFUSALS)

    def refuse(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError(next(refusals))

    def small(self: Program, *arguments: Any, **options: Any) -> None:
        usual(self, *arguments, **options)
        if self.pieces < until:
            self.chunk = refuse

    monkeypatch.setattr(Program, "__init__", small)


def test_memory_that_runs_out_means_smaller_pieces_of_the_same_batch(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(cell, corpus, tmp_path / "a.npz")
    examples = cell.batch // cell.shape.units
    with monkeypatch.context() as patch:
        out_of_memory(patch, until=4)
        outcome = train(cell, corpus, tmp_path / "b.npz")
    assert outcome.microbatch == examples // 4
    assert outcome.status == "finished"
    assert outcome.loss == pytest.approx(whole.loss, rel=1e-3)
    out_of_memory(monkeypatch, until=examples + 1)
    with pytest.raises(MemoryError, match=f"out of memory with 1 of {examples} examples"):
        train(cell, corpus, tmp_path / "c.npz")


@pytest.mark.parametrize("microbatch", [1, 4])
def test_microbatches_add_up_to_the_batch(
    cell: Cell, corpus: Corpus, tmp_path: Path, microbatch: int
) -> None:
    whole = train(cell, corpus, tmp_path / "a.npz")
    pieces = cell.recipe.model_copy(update={"microbatch": microbatch})
    outcome = train(replace(cell, recipe=pieces), corpus, tmp_path / "b.npz")
    assert outcome.microbatch == microbatch
    np.testing.assert_allclose(outcome.curve[:8], whole.curve[:8], rtol=1e-3)
    assert outcome.loss == pytest.approx(whole.loss, rel=2e-2)


def test_float16_trains_with_its_losses_scaled(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    half = cell.recipe.model_copy(update={"precision": "float16"})
    scaled = train(replace(with_recovery(cell), recipe=half), corpus, tmp_path / "a.npz")
    whole = train(with_recovery(cell), corpus, tmp_path / "b.npz")
    assert scaled.status == "finished"
    assert scaled.chunks[-1].loss_scale > 1
    assert scaled.loss == pytest.approx(whole.loss, rel=0.05)
    plain = half.model_copy(update={"loss_scale": "none"})
    unscaled = train(replace(cell, recipe=plain), corpus, tmp_path / "c.npz")
    assert all(chunk.loss_scale == 1 for chunk in unscaled.chunks)


def test_an_overflow_of_float16_lowers_its_scale_and_ends_what_has_none(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = cell.recipe.model_copy(update={"precision": "float16"})
    overflows = replace(with_recovery(cell, skip_steps=0), recipe=half)
    usual = Program.__init__

    def too_large(self: Program, *arguments: Any, **options: Any) -> None:
        usual(self, *arguments, **options)
        self._first_scale = (jnp.float32(2.0**30), jnp.int32(0))

    monkeypatch.setattr(Program, "__init__", too_large)
    outcome = train(overflows, corpus, tmp_path / "a.npz")
    assert outcome.status == "finished"  # such skips are no fault of the run's
    assert outcome.log.skipped > 0
    assert 1 < outcome.chunks[-1].loss_scale < 2.0**30
    # The same overflow where no scale can fall.
    unscaled = half.model_copy(update={"loss_scale": "none"})
    largest = jnp.float16(65_504)

    def fault(x: jax.Array) -> jax.Array:
        return (x.astype(jnp.float16) * largest * largest).astype(jnp.float32)

    monkeypatch.setattr(Program, "__init__", usual)
    faulty(monkeypatch, cell.seed, range(STEPS), fault)
    lost = train(replace(overflows, recipe=unscaled), corpus, tmp_path / "b.npz")
    assert lost.status == "diverged"
    assert "steps were not finite" in lost.reason


def test_reading_in_passing_changes_nothing_and_finds_the_best(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    longer = replace(cell, steps=STEPS)
    whole = train(longer, corpus, tmp_path / "a.npz")
    reads = longer.recipe.model_copy(update={"evaluate_every": 64})
    outcome = train(replace(longer, recipe=reads), corpus, tmp_path / "b.npz")
    np.testing.assert_array_equal(outcome.curve, whole.curve)
    assert outcome.loss == whole.loss
    assert sorted(outcome.log.held_out) == list(range(64, STEPS + 1, 64))
    assert outcome.best_loss == min([*outcome.log.held_out.values(), outcome.loss])
    assert (outcome.steps, outcome.status) == (STEPS, "finished")


def test_a_run_that_overfits_is_stopped_at_its_best(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    recipe = cell.recipe.model_copy(update={"evaluate_every": 32, "early_stop": 3})
    few = replace(cell, steps=100 * CHUNK_STEPS, D_unique=200, recipe=recipe)
    longer = replace(few, steps=120 * CHUNK_STEPS)
    outcomes: list[Outcome] = []
    train_trunk(
        [few, longer], corpus, checkpoint_path=tmp_path / "a.npz",
        on_cell=lambda _, o: outcomes.append(o),
    )  # fmt: skip
    stopped, behind = outcomes
    assert (stopped.status, behind.status) == ("finished", "stopped")
    assert stopped.loss == stopped.best_loss == min(stopped.log.held_out.values())
    assert stopped.steps == stopped.best_step < stopped.log.stopped_at
    assert stopped.log.stopped_at == stopped.best_step + 3 * 32
    assert "stopped early at step" in stopped.reason
    assert behind.steps_trained == 0


def test_a_branch_and_its_trunk_stopped_at_one_best_are_one_row(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = schedule.rates  # a cooldown that changes nothing: branch and trunk read the same
    monkeypatch.setattr(schedule, "rates", lambda *a, **k: usual(*a, **k | {"cool_from": None}))
    recipe = cell.recipe.model_copy(update={"evaluate_every": 32, "early_stop": 3})
    longer = replace(cell, steps=100 * CHUNK_STEPS, D_unique=200, recipe=recipe)
    stop = train(longer, corpus, tmp_path / "a.npz").log.stopped_at
    assert stop is not None
    # The last reading without a new best falls into the cooldown of this one.
    short = replace(longer, steps=stop)
    outcomes: list[Outcome] = []
    train_trunk(
        [short, longer], corpus, checkpoint_path=tmp_path / "b.npz",
        on_cell=lambda _, o: outcomes.append(o),
    )  # fmt: skip
    assert [o.log.stopped_at for o in outcomes] == [stop, stop]
    assert [o.status for o in outcomes] == ["finished", "stopped"]
    assert outcomes[0].loss == outcomes[1].loss


def test_a_run_far_behind_its_like_is_told(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    longer = replace(cell, steps=STEPS)
    curve = train(longer, corpus, tmp_path / "a.npz").curve[:, 0]
    steps = np.arange(CHUNK_STEPS, STEPS + 1, CHUNK_STEPS)
    trend = Trend.of([(steps.tolist(), curve.reshape(-1, CHUNK_STEPS).mean(1).tolist())])
    slow = cell.recipe.model_copy(update={"learning_rate": cell.recipe.learning_rate / 30})
    for run, told in ((longer, set()), (replace(longer, recipe=slow), {"slow"})):
        outcomes: list[Outcome] = []
        train_trunk(
            [run], corpus, checkpoint_path=tmp_path / "b.npz", trend=trend,
            on_cell=lambda _, o, kept=outcomes: kept.append(o),
        )  # fmt: skip
        assert {finding.label for finding in outcomes[0].log.findings} == told


def test_a_run_that_is_not_given_up_is_lost_all_the_same(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = schedule.rates

    def late(first: int, count: int, **facts: Any) -> np.ndarray[Any, Any]:
        return usual(first, count, **facts) * (30 if first >= 15 * CHUNK_STEPS else 1)

    monkeypatch.setattr("scaling.train.schedule.rates", late)
    longer = with_recovery(replace(cell, recipe=cell.recipe.model_copy(update={"cooldown": 0.0})))
    ended = train(longer, corpus, tmp_path / "a.npz")
    assert (ended.status, len(ended.curve) < STEPS) == ("diverged", True)
    assert np.isnan(ended.loss)
    goes_on = replace(longer, recovery=Recovery(snapshot_every=32, give_up=False))
    assert goes_on.id == longer.id
    outcome = train(goes_on, corpus, tmp_path / "b.npz")
    assert (outcome.status, len(outcome.curve)) == ("diverged", STEPS)
    assert outcome.reason == ended.reason
    assert np.isfinite(outcome.loss)
