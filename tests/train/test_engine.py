"""A branch is the dedicated run, a resumed run the undisturbed one: bit for bit."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling import files
from scaling.data import Corpus
from scaling.errors import InputError
from scaling.grid import CHUNK_STEPS, Cell
from scaling.sweep.planning.plan import CellCost, costs
from scaling.train import checkpoint
from scaling.train.engine import train_trunk
from scaling.train.findings import Finding
from scaling.train.kept import Kept
from scaling.train.log import Log, Reading
from scaling.train.next_token import evaluation_windows
from scaling.train.outcome import Outcome
from scaling.train.schedule import rates
from scaling.train.step import Program
from scaling.train.telemetry import Chunk

# Programs of one shape are the same in all tests of this file, but where they are spied on.
KEPT = Kept()


def train(
    cells: list[Cell], corpus: Corpus, path: Path, make: Any = KEPT.program
) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    train_trunk(
        cells,
        corpus,
        checkpoint_path=path,
        on_cell=lambda cell, outcome: outcomes.update({cell.steps: outcome}),
        make_program=make,
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
        train_trunk(
            [short, cell], corpus, checkpoint_path=path, on_cell=stop, make_program=KEPT.program
        )
    assert path.exists()
    resumed = train([cell], corpus, path)[cell.steps]
    assert resumed.loss == whole[cell.steps].loss
    assert resumed.steps_trained == whole[cell.steps].steps_trained
    np.testing.assert_array_equal(resumed.curve, whole[cell.steps].curve)


def test_a_damaged_checkpoint_only_costs_time(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.warns(UserWarning, match=r"bad\.npz: damaged \(torn or garbage.*trained again"):
        assert train([cell], corpus, path)[cell.steps].status == "finished"
    assert (tmp_path / "bad.npz.damaged").read_bytes() == b"PK\x03\x04 not a checkpoint"


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
    assert [finding.label for finding in outcome.log.findings].count("divergence") == 1
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


def test_a_cell_shorter_than_the_checkpoint_starts_anew(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    # A record was moved away, or the grid got a shorter budget, after the trunk had gone on.
    path = tmp_path / "trunk.npz"

    def stop(_: Cell, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_trunk([cell], corpus, checkpoint_path=path, on_cell=stop, make_program=KEPT.program)
    short = replace(cell, steps=4 * CHUNK_STEPS)
    found = train([short, cell], corpus, path)
    expected = train([short, cell], corpus, tmp_path / "other.npz")
    for steps, outcome in expected.items():
        assert found[steps].loss == outcome.loss
        assert len(found[steps].curve) == steps


def test_steps_and_seconds_are_paid_once(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    lengths = [replace(cell, steps=n * CHUNK_STEPS) for n in (4, 7, 10)]
    path, paid = tmp_path / "trunk.npz", {}

    def stop_after(first: int) -> None:
        def on_cell(cell: Cell, outcome: Outcome) -> None:
            if cell.steps == first:
                raise KeyboardInterrupt  # trained, but its record is not stored
            paid[cell.steps] = outcome.steps_trained

        with pytest.raises(KeyboardInterrupt):
            train_trunk(
                [c for c in lengths if c.steps not in paid],
                corpus,
                checkpoint_path=path,
                on_cell=on_cell,
                make_program=KEPT.program,
            )

    stop_after(lengths[0].steps)
    stop_after(lengths[1].steps)
    left = [c for c in lengths if c.steps not in paid]
    paid |= {n: o.steps_trained for n, o in train(left, corpus, path).items()}
    whole = train(lengths, corpus, tmp_path / "whole.npz")
    assert paid == {n: o.steps_trained for n, o in whole.items()}
    assert paid == {n: c.own_steps for n, c in _planned(lengths).items()}


def _planned(cells: list[Cell]) -> dict[int, CellCost]:
    return {cost.cell.steps: cost for cost in costs(cells, {}).values()}


def test_a_diverged_trunk_is_a_status_of_all_its_longer_cells(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    wild = cell.recipe.model_copy(update={"learning_rate": 1e4})
    lengths = [replace(cell, recipe=wild, steps=n * CHUNK_STEPS) for n in (4, 10)]
    short, long = train(lengths, corpus, tmp_path / "a.npz").values()
    assert short.status == long.status == "diverged"
    assert short.reason == long.reason
    # The trunk was trained once, until it was lost, and no cooldown.
    assert 0 < short.steps_trained <= 3 * CHUNK_STEPS
    assert long.steps_trained == 0


def test_a_diverged_branch_leaves_its_trunk_alone(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [replace(cell, steps=n * CHUNK_STEPS) for n in (4, 10)]
    good = train(lengths, corpus, tmp_path / "good.npz")

    def wild(first: int, count: int, **facts: Any) -> np.ndarray[Any, Any]:
        return rates(first, count, **facts) * (1e6 if facts["cool_from"] == 48 else 1)

    monkeypatch.setattr("scaling.train.schedule.rates", wild)
    short, long = train(lengths, corpus, tmp_path / "bad.npz").values()
    assert (short.status, long.status) == ("diverged", "finished")
    assert long.loss == good[long.curve.shape[0]].loss


def test_a_model_that_breaks_in_its_last_step_is_no_result(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(first: int, count: int, **facts: Any) -> np.ndarray[Any, Any]:
        found = rates(first, count, **facts)
        if facts["cool_from"] is not None and first + count == cell.steps:
            found[-1] = np.nan
        return found

    monkeypatch.setattr("scaling.train.schedule.rates", broken)
    (outcome,) = train([cell], corpus, tmp_path / "a.npz").values()
    assert outcome.status == "diverged"
    assert f"after step {cell.steps}" in outcome.reason


def test_one_program_serves_trunk_and_branches(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    programs: list[Program] = []

    class Spied(Program):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            programs.append(self)

    lengths = [replace(cell, steps=n * CHUNK_STEPS) for n in (2, 5, 10)]
    train(lengths, corpus, tmp_path / "a.npz", make=Spied)
    (program,) = programs
    assert program.chunk._cache_size() == 1
    assert program.measure._cache_size() <= 2


def stored(leaves: dict[str, Any], log: Log | None = None) -> checkpoint.Stored:
    return checkpoint.Stored(leaves, 32, log or Log(), pays=48, seconds=1.5, steps_trained=32)


def write(path: Path, stored: checkpoint.Stored, recipe: dict[str, Any]) -> None:
    writer = checkpoint.Writer(path, recipe)
    writer.save(stored)
    writer.close()


def test_a_checkpoint_comes_back_to_the_bit_or_not_at_all(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    state = {"a": np.array([1.5, np.nan], np.float32), "b": np.int32(3)}
    log = train([cell], corpus, tmp_path / "a.npz")[cell.steps].log
    log.findings.append(Finding("spike", 3, "head", "up"))
    log.best = Reading(16, {"loss": np.array([1.0, 2.0])})
    path = tmp_path / "trunks" / "t.npz"
    write(path, stored(state, log), {"k": 1})
    found = checkpoint.load(path, state, {"k": 1})
    assert found is not None
    np.testing.assert_array_equal(found.state["a"], state["a"])
    assert (found.step, found.seconds, found.steps_trained, found.pays) == (32, 1.5, 32, 48)
    assert found.log.findings == log.findings
    for ours, theirs in zip(log.chunks, found.log.chunks, strict=True):
        for field in fields(Chunk):
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))
    assert found.log.best is not None
    assert found.log.best.loss == 1.5
    assert [p.name for p in path.parent.iterdir()] == ["t.npz"]
    assert np.load(path)["leaf_1"] == 3  # a plain archive, with a checksum behind it
    for other in ({"a": np.zeros(3, np.float32), "b": state["b"]}, {**state, "c": np.int32(3)},
                  {"a": state["a"]}):  # fmt: skip
        with pytest.raises(checkpoint.DamagedError, match="a state of another shape"):
            checkpoint.load(path, other, {"k": 1})
    assert checkpoint.load(tmp_path / "none.npz", state, {"k": 1}) is None


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_goes_unseen(data: st.DataObject, tmp_path: Path) -> None:
    state, path = {"a": np.arange(5, dtype=np.float32)}, tmp_path / "t.npz"
    write(path, stored(state), {})
    raw = path.read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = data.draw(st.sampled_from([
        raw[:at],  # torn
        raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :],
        raw[:at] + bytes(len(raw) - at),  # a tail that never reached the disk
        raw + raw[at:],
    ]))  # fmt: skip
    path.write_bytes(damaged)
    assert (damaged == raw) == (found(path, state) is not None)


def found(path: Path, like: Any) -> checkpoint.Stored | None:
    try:
        return checkpoint.load(path, like, {})
    except checkpoint.DamagedError:
        return None


def test_a_snapshot_comes_back_beside_its_state(tmp_path: Path) -> None:
    good = {"a": np.full(3, 2.0, np.float32)}
    state, path = {"a": np.zeros(3, np.float32)}, tmp_path / "t.npz"
    write(path, stored(state)._replace(good=(16, good), stopped_with={64: 80}), {})
    again = found(path, state)
    assert again is not None
    assert again.good is not None
    assert again.good[0] == 16
    np.testing.assert_array_equal(again.good[1]["a"], good["a"])
    np.testing.assert_array_equal(again.state["a"], state["a"])
    assert again.stopped_with == {64: 80}


def test_checkpoints_lie_in_object_stores_too() -> None:
    path = files.folder("memory://checkpoints/trunks") / "t.npz"
    state = {"a": np.arange(3, dtype=np.float32)}
    writer = checkpoint.Writer(path, {})
    writer.save(stored(state))
    writer.save(stored(state)._replace(step=48), branch=True)
    writer.close()
    trunk, branch = (
        checkpoint.load(p, state, {}) for p in (path, checkpoint.of_branch(path))
    )  # fmt: skip
    assert trunk is not None
    assert branch is not None
    assert (trunk.step, branch.step) == (32, 48)
    np.testing.assert_array_equal(trunk.state["a"], state["a"])
    files.write(path, files.read(path)[:-1])
    with pytest.raises(checkpoint.DamagedError):
        checkpoint.load(path, state, {})
    with pytest.warns(UserWarning, match="trained again"):
        checkpoint.set_aside(path, "torn")
    assert files.names(path.parent) == ["t.branch.npz", "t.npz.damaged"]
    checkpoint.remove(path)
    assert files.names(path.parent) == ["t.npz.damaged"]


def test_a_checkpoint_of_another_recipe_lists_the_differences(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    write(path, stored({"a": np.zeros(2)}), {"seed": 1, "recipe": {"clip": 1.0, "beta1": 0.9}})
    with pytest.raises(InputError, match=r"recipe\.clip is 1\.0, not 2\.0; seed is 1, not None"):
        checkpoint.load(path, {"a": np.zeros(2)}, {"recipe": {"clip": 2.0, "beta1": 0.9}})


def test_a_disk_that_refuses_a_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"t\.npz: cannot write: "):
        write(tmp_path / "file" / "t.npz", stored({"a": np.zeros(2)}), {})
