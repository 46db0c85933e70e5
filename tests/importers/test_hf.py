"""What the Hugging Face Trainer left of a run (files/make_hf.py), whole, damaged and odd."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scaling.errors import InputError
from scaling.importers import hf
from scaling.importers.contract import LoggedRun

MADE = Path(__file__).parent / "files" / "hf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "made"))


def only(source: Path) -> LoggedRun:
    (run,) = hf.read(str(source))
    return run


def edit(file: Path, change: Callable[[dict], None]) -> None:
    facts = json.loads(file.read_text())
    change(facts)
    file.write_text(json.dumps(facts))


def test_one_run_is_read_from_its_newest_state(folder: Path) -> None:
    run = only(folder)
    assert run.origin == str(folder / "trainer_state.json")
    assert (run.id, run.ended, run.notes) == ("made", "finished", ())
    held = ~np.isnan(run.history["eval_loss"])
    # The last evaluation was asked for after training, at the step of the one before.
    assert run.history["step"][held].tolist() == [4, 8, 12]
    assert run.history["step"][~np.isnan(run.history["loss"])].tolist() == [2, 4, 6, 8, 10, 12]
    # 12 steps of 8 sequences of 16 tokens.
    assert run.history["num_input_tokens_seen"][-1] == 12 * 8 * 16
    assert run.final["eval_loss"] == run.history["eval_loss"][-1]


def test_what_was_asked_is_read_from_the_card(folder: Path) -> None:
    config = only(folder).config
    assert config["args.learning_rate"] == 0.01
    assert config["args.seed"] == 7
    assert config["args.train_batch_size"] == 8
    assert (config["n_layer"], config["n_embd"], config["model_type"]) == (1, 8, "gpt2")


def test_parameters_are_counted_in_the_weights(folder: Path) -> None:
    """GPT-2 by hand: a block of width 8, the last norm, positions; 40 words of 8, tied."""
    block = 12 * 8 * 8 + 13 * 8
    final = only(folder).final
    assert final["parameters_without_tables"] == block + 2 * 8
    assert final["parameters"] == block + 2 * 8 + 16 * 8 + 40 * 8


def test_weights_cut_short_are_noted(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    run = only(folder)
    assert "parameters" not in run.final
    assert str(weights) in run.notes[0]


def test_means_over_training_are_no_point_of_a_curve(folder: Path) -> None:
    run = only(folder)
    assert "train_loss" not in run.history
    assert run.final["train_loss"] == pytest.approx(np.nanmean(run.history["loss"]), rel=1e-6)


def test_pickles_are_never_opened(folder: Path) -> None:
    before = only(folder)
    (folder / "training_args.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    after = only(folder)
    assert (after.config, after.final) == (before.config, before.final)


def test_checkpoints_alone_are_one_run(folder: Path) -> None:
    (folder / "trainer_state.json").unlink()
    run = only(folder)
    assert run.origin == str(folder / "checkpoint-12" / "trainer_state.json")
    assert run.ended == "finished"
    assert only(folder / "checkpoint-4").history["step"].tolist() == [2, 4, 4]
    assert only(folder / "checkpoint-4").ended == "unstated"


def test_a_state_cut_short_is_read_from_the_checkpoint_before(folder: Path) -> None:
    state = folder / "trainer_state.json"
    state.write_text(state.read_text()[:600])
    run = only(folder)
    assert run.origin == str(folder / "checkpoint-12" / "trainer_state.json")
    (note,) = run.notes
    assert note.startswith(f"{state}: damaged at line 24, column ")
    assert note.endswith("; read up to its row 1")


def test_a_state_cut_short_is_read_up_to_there(folder: Path) -> None:
    state = folder / "checkpoint-8" / "trainer_state.json"
    whole = only(state)
    text = state.read_text()
    state.write_text(text[: text.index('"step": 8') + 2])
    run = only(state)
    np.testing.assert_array_equal(run.history["loss"], whole.history["loss"][:4])
    assert "damaged at line" in run.notes[0]


def test_nothing_left_of_a_state_says_where(folder: Path) -> None:
    state = folder / "checkpoint-8" / "trainer_state.json"
    state.write_text('{"epoch": 1,\n"log_history": [')
    with pytest.raises(InputError, match=r"trainer_state.json: not JSON at line 2, column 17"):
        only(state)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"global_step": 3}, "no list called log_history"),
        ({"log_history": []}, "log_history is empty"),
        ([1], "no list called log_history"),
    ],
)
def test_a_state_without_a_log_is_refused(facts: object, told: str, tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=told):
        only(tmp_path)


def test_another_attempt_in_the_same_folder_is_told(folder: Path) -> None:
    def shift(facts: dict) -> None:
        for row in facts["log_history"]:
            row["loss"] = 9.0

    other = folder / "checkpoint-12" / "trainer_state.json"
    edit(other, shift)
    (note,) = only(folder).notes
    assert note.startswith(f"{other}: of another attempt")


def test_several_runs_are_told_apart_by_their_folders(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "sweep" / "größe" / "模型")
    shutil.move(folder, folder.parent / "sweep" / "b")
    assert [run.id for run in hf.read(str(folder.parent / "sweep"))] == ["b", "größe/模型"]


def test_one_run_that_nothing_is_left_of_is_noted_among_others(folder: Path) -> None:
    (folder.parent / "torn").mkdir()
    (folder.parent / "torn" / "trainer_state.json").write_text("{")
    made, torn = hf.read(str(folder.parent))
    assert (made.id, len(made.notes)) == ("made", 0)
    assert (torn.id, torn.history) == ("torn", {})
    assert "not JSON at line 1, column 2" in torn.notes[0]


def test_values_that_are_none_stay_so(folder: Path) -> None:
    def spoil(facts: dict) -> None:
        facts["log_history"][-2]["eval_loss"] = float("nan")

    edit(folder / "trainer_state.json", spoil)
    assert np.isnan(only(folder).history["eval_loss"][-2])


@pytest.mark.slow
def test_the_files_are_what_the_trainer_writes(tmp_path: Path) -> None:
    pytest.importorskip(
        "torch", reason="runs the Trainer: pip install torch transformers accelerate"
    )
    pytest.importorskip("accelerate", reason="runs the Trainer: pip install accelerate")
    subprocess.run(
        [sys.executable, str(MADE.parent / "make_hf.py"), str(tmp_path / "new")], check=True
    )
    new, old = only(tmp_path / "new"), only(MADE)
    assert new.config.keys() >= old.config.keys() - {"transformers_version"}
    assert new.history.keys() == old.history.keys()
    np.testing.assert_allclose(new.history["loss"], old.history["loss"], rtol=1e-4)
