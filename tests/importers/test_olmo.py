"""What OLMo-core's own callbacks wrote of a ladder (files/make_olmo.py), whole, damaged and odd."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.errors import InputError
from scaling.importers import olmo, printed
from scaling.importers.olmo_shape import counts

MADE = Path(__file__).parent / "files" / "olmo"
HELD_OUT, TRAINING, TOKENS = (
    "eval/lm/c4_en-validation/CE loss",
    "train/CE loss",
    "throughput/total tokens",
)


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "ladder"))


def test_runs_of_a_ladder(ladder: Path) -> None:
    small, tiny = olmo.read(str(ladder))
    assert (small.id, tiny.id) == ("small", "tiny")
    for run in (small, tiny):
        assert run.history["step"].tolist() == [20, 40, 60]
        assert run.history[TOKENS].tolist() == [20 * 4096, 40 * 4096, 60 * 4096]
        np.testing.assert_allclose(run.history[HELD_OUT] - run.history[TRAINING], 0.125)
        assert run.final[HELD_OUT] == run.history[HELD_OUT][-1]
        assert (run.ended, run.notes, run.config["seed"]) == ("finished", (), 42)
    assert (small.config["model.d_model"], tiny.config["model.d_model"]) == (64, 32)
    assert tiny.config["optim.lr"] == 0.001


def test_parameters_are_those_that_olmo_core_counts(ladder: Path) -> None:
    """Counts by `TransformerConfig.num_params` of ai2-olmo-core 3.0.0."""
    small, tiny = olmo.read(str(ladder))
    assert (tiny.final["parameters"], small.final["parameters"]) == (90_272, 262_592)
    assert tiny.final["parameters_without_tables"] == 90_272 - 2 * 512 * 32


@pytest.mark.parametrize(
    ("shape", "counted"),
    [
        (  # olmo2_190M
            {"d_model": 768, "n_layers": 12, "vocab_size": 100_352, "inner": 3072,
             "mixer": {"n_heads": 12, "qk_norm": {"name": "rms", "bias": False}}},
            267_424_512,
        ),
        (  # llama3_1B
            {"d_model": 2048, "n_layers": 16, "vocab_size": 128_256, "inner": 8192,
             "mixer": {"n_heads": 32, "n_kv_heads": 8, "rope": {"theta": 500_000}}},
            1_498_482_688,
        ),
        (  # gated attention has more
            {"d_model": 64, "n_layers": 2, "vocab_size": 512, "inner": 128,
             "mixer": {"n_heads": 2, "gate": {"granularity": "headwise"}}},
            None,
        ),
    ],
)  # fmt: skip
def test_counts_of_configs(shape: dict[str, Any], counted: int | None) -> None:
    norm = {"name": "rms", "bias": False}
    block = {"sequence_mixer": shape["mixer"], "layer_norm": norm,
             "feed_forward": {"hidden_size": shape["inner"], "bias": False}}  # fmt: skip
    model = {name: shape[name] for name in ("d_model", "n_layers", "vocab_size")}
    found = counts({**model, "block": block, "lm_head": {"layer_norm": norm, "bias": False}})
    assert (found and found[1]) == counted


def test_one_run_of_it(ladder: Path) -> None:
    (run,) = olmo.read(str(ladder / "tiny"))
    assert run.id == "tiny"
    (ladder / "tiny" / "metrics.json").unlink()
    (run,) = olmo.read(str(ladder / "tiny"))
    assert run.ended == "unstated"
    assert HELD_OUT not in run.final


def test_the_console_log_says_the_same(ladder: Path) -> None:
    saved = {run.id: run for run in olmo.read(str(ladder))}
    tiny, small = printed.read(str(ladder / "console.log"))
    for said, run in ((tiny, saved["tiny"]), (small, saved["small"])):
        assert said.history["step"].tolist() == [10, 20, 30, 40, 50, 60]
        assert said.history[TOKENS][1::2].tolist() == run.history[TOKENS].tolist()
        np.testing.assert_allclose(said.history[TRAINING][1::2], run.history[TRAINING], atol=1e-3)
        assert said.ended == "finished"


def test_damaged_files_are_noted(ladder: Path) -> None:
    torn = ladder / "tiny" / "metrics_step40.json"
    torn.write_text('{"train/CE loss": 3.8,')
    (ladder / "tiny" / "step60" / "config.json").write_text("[]")
    (run,) = olmo.read(str(ladder / "tiny"))
    assert run.history["step"].tolist() == [20, 60]
    assert run.notes[0].startswith(f"{torn}: not JSON at line 1, column 23")
    assert run.notes[1].endswith("a list, where names and values belong")


def test_pickles_are_never_opened(ladder: Path) -> None:
    pickled = ladder / "metrics_tiny.pkl"
    pickled.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for source in (pickled, Path(shutil.copytree(ladder, ladder.parent / "only"))):
        for file in source.rglob("metrics_step*.json"):
            file.unlink()
        assert olmo.recognises(str(source))
        with pytest.raises(InputError, match=r"metrics_tiny\.pkl: a pickle, which is never opened"):
            list(olmo.read(str(source)))


def test_a_folder_without_metrics_says_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MetricSaverCallback"):
        list(olmo.read(str(tmp_path)))


@pytest.mark.slow
def test_the_files_are_what_olmo_core_writes(tmp_path: Path) -> None:
    pytest.importorskip("olmo_core", reason="runs its callbacks: pip install ai2-olmo-core torch")
    subprocess.run([sys.executable, MADE.parent / "make_olmo.py", tmp_path / "new"], check=True)
    for new, old in zip(olmo.read(str(tmp_path / "new")), olmo.read(str(MADE)), strict=True):
        assert new.config == old.config
        for name, values in old.history.items():
            np.testing.assert_array_equal(new.history[name], values)
