"""Printed logs: each script's lines (batteries.printed_logs says what they are), and odd files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from batteries import printed_logs
from batteries.importers import BATCH_TOKENS, MadeRun, made
from batteries.printed_logs import nanogpt

from scaling.errors import InputError
from scaling.importers import printed
from scaling.importers.contract import LoggedRun

COUNTS = {"wte": 16_777_216, "lm_head": 16_777_216, "transformer_matrices": 3_145_728, "scalars": 8}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def only(source: Path) -> LoggedRun:
    (run,) = printed.read(str(source))
    return run


def taken(run: LoggedRun, name: str) -> dict[int, float]:
    """The values of a column by step, where there are any."""
    pairs = zip(run.history["step"], run.history[name], strict=True)
    return {int(step): value for step, value in pairs if not math.isnan(value)}


@pytest.mark.parametrize(
    ("text", "held_out", "training", "digits"),
    [
        (nanogpt(made()), "val_loss", "loss", 4),
        (printed_logs.nanochat(made(), COUNTS, 40), "val_bpb", "loss_ema", 6),
        (printed_logs.modded_nanogpt(made(), 40), "val_loss", None, 4),
        (printed_logs.llmc_file(made()), "tel", "trl", 4),
        (printed_logs.llmc_console(made(), 40), "val_loss", "loss", 6),
        (printed_logs.megatron(made(), 40), "validation lm loss", "lm loss", 6),
    ],
)
def test_losses_of_every_script(
    text: str, held_out: str, training: str | None, digits: int, file: Path
) -> None:
    file.write_text(text)
    assert printed.recognises(str(file))
    run = only(file)
    found = taken(run, held_out)
    found.pop(0, None)  # llm.c's console takes one before the first step
    assert found == pytest.approx(made().held_out, abs=10.0**-digits)
    if training is not None:
        logged = {step: loss for step, loss, _ in made().points}
        assert taken(run, training) == pytest.approx(logged, abs=10.0**-digits)
    assert held_out in printed.USUAL["loss"]


def test_settings_that_nanogpt_prints(file: Path) -> None:
    config_file = "# char-level\nbatch_size = 64 # small\ngradient_accumulation_steps = 5 * 8\n"
    file.write_text(
        f"Overriding config with config/a.py:\n{config_file}\n" + nanogpt(made(steps=10))
    )
    config = only(file).config
    assert (config["batch_size"], config["gradient_accumulation_steps"]) == (64, 40)
    assert (config["n_layer"], config["bias"], config["learning_rate"]) == (2, False, 0.001)
    assert config["tokens_per_iter"] == BATCH_TOKENS
    assert config["parameters.all"] == 28_928 + 160
    assert "number_of_parameters" not in config  # rounded, where the exact count is known


def test_nanogpt_without_counts_by_decay(file: Path) -> None:
    file.write_text("number of parameters: 123.59M\niter 1: loss 3.2000, time 5.00ms\n")
    assert only(file).config["number_of_parameters"] == pytest.approx(123.59e6)


def test_settings_that_nanochat_prints(file: Path) -> None:
    file.write_text(printed_logs.nanochat(made(), COUNTS | {"total": sum(COUNTS.values())}, 1_234))
    run = only(file)
    assert (run.config["vocab_size"], run.config["n_embd"]) == (65_536, 256)
    assert run.config["parameters.transformer_matrices"] == COUNTS["transformer_matrices"]
    assert run.config["parameters.total"] == sum(COUNTS.values())
    assert run.config["total_batch_size"] == 524_288
    assert run.config["planned_tokens"] == 1_234 * 524_288
    assert run.config["flops_per_token"] == 4.5e8
    assert (run.config["planned_steps"], run.ended) == (1_234, "unstated")


def test_settings_that_llmc_and_megatron_print(file: Path) -> None:
    file.write_text(printed_logs.llmc_console(made(), 40))
    run = only(file)
    assert (run.config["total batch size"], run.config["num_parameters"]) == (524_288, 124_475_904)
    assert run.config["learning rate (LR)"] == pytest.approx(6e-4)
    assert run.ended == "finished"
    file.write_text(printed_logs.megatron(made(), 80))
    run = only(file)
    assert (run.config["global_batch_size"], run.config["seq_length"]) == (256, 2048)
    assert run.config["parameters.all"] == 354_871_296
    assert taken(run, "consumed samples")[40] == 40 * 256
    assert run.ended == "unstated"


def test_several_runs_in_one_file(file: Path) -> None:
    file.write_text(nanogpt(made("a")) + nanogpt(made("b", loss=2.0, seed=1)))
    first, second = printed.read(str(file))
    assert (first.id, second.id) == ("train", "train#2")
    assert (first.config["seed"], second.config["seed"]) == (0, 1)
    assert taken(second, "val_loss") == pytest.approx(made(loss=2.0).held_out, abs=1e-4)


def test_runs_of_a_script_without_settings_are_told_apart_by_their_steps(file: Path) -> None:
    file.write_text(printed_logs.llmc_file(made()) + printed_logs.llmc_file(made(loss=2.0)))
    assert [run.id for run in printed.read(str(file))] == ["train", "train#2"]


def test_a_run_taken_up_again_goes_on(file: Path) -> None:
    again = MadeRun("a", tuple(point for point in made("a", loss=2.0).points if point[0] > 20))
    file.write_text(nanogpt(made("a", steps=30)) + nanogpt(again, resumed=True))
    run = only(file)
    # In the order in which it was logged: step 30 twice.
    assert run.history["step"][~np.isnan(run.history["val_loss"])].tolist() == [10, 20, 30, 30, 40]


def test_two_scripts_in_one_file_are_two_runs(file: Path) -> None:
    file.write_text(nanogpt(made()) + printed_logs.llmc_file(made(loss=2.0)))
    assert [run.config["printed_by"] for run in printed.read(str(file))] == ["nanoGPT", "llm.c"]


def test_a_script_that_is_printed_first_is_no_log(file: Path) -> None:
    file.write_text(printed_logs.modded_nanogpt(made(steps=0), 40))
    assert not printed.recognises(str(file))
    with pytest.raises(
        InputError, match=r"train\.log: no line of a step as nanoGPT, .*--from table"
    ):
        only(file)


def test_colours_progress_bars_and_launchers(file: Path) -> None:
    plain = nanogpt(made())
    file.write_text(plain)
    expected = only(file).history["val_loss"]
    bar = "\r 12%|███       | 3/25 [00:01<00:09,  2.50it/s]"
    odd = "".join(f"\x1b[32m[rank0]: {line}\x1b[0m{bar}{bar}\n" for line in plain.splitlines())
    file.write_text(odd)
    np.testing.assert_array_equal(only(file).history["val_loss"], expected)
    file.write_bytes(plain.replace("\n", "\r\n").encode("utf-16"))  # a PowerShell's redirection
    np.testing.assert_array_equal(only(file).history["val_loss"], expected)


def test_bytes_that_are_no_text_are_passed_over(file: Path) -> None:
    file.write_bytes(nanogpt(made()).encode() + b"\xff\xfe\x00 sampled \x80\n")
    assert taken(only(file), "val_loss") == pytest.approx(made().held_out, abs=1e-4)


def test_a_number_cut_short_is_not_read(file: Path) -> None:
    text = nanogpt(made())
    cut = text[: text.rindex("val loss ") + len("val loss 3.1")]
    file.write_text(cut)
    run = only(file)
    assert list(taken(run, "val_loss")) == [10, 20, 30]
    assert "cut short in its last line, left out: 'step 40: train loss" in run.notes[0]


def test_a_last_line_without_its_end_is_read_where_it_is_whole(file: Path) -> None:
    file.write_text(printed_logs.llmc_file(made()).rstrip("\n"))
    run = only(file)
    assert (run.notes, taken(run, "trl")[40]) == ((), pytest.approx(3.1))


def test_losses_that_are_no_numbers(file: Path) -> None:
    file.write_text("iter 1: loss 3.2000, time 5.00ms, mfu 1.00%\niter 2: loss nan, time 5.00ms\n")
    assert np.isnan(only(file).history["loss"]).tolist() == [False, True]


def test_files_of_a_folder_are_runs_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "größe").mkdir()
    (tmp_path / "größe" / "模型.txt").write_text(nanogpt(made()))
    (tmp_path / "b.out").write_text(printed_logs.llmc_file(made()))
    (tmp_path / "notes.txt").write_text("nothing of a step\n")
    assert [run.id for run in printed.read(str(tmp_path))] == ["b", "größe/模型"]
